//  Info.swift — the report of INFO, by section, with Redis's names.
//
//  Fields whose feature Martlet does not have report what Redis reports when it is not in use, so
//  that exporters find what they look for.
import Platform

enum Info {
    private struct Section {
        let name: String
        let title: String
        /// Part of the report that INFO gives without arguments.
        let isDefault: Bool
        let write: @Sendable (borrowing Call, inout Lines) -> Void
    }

    /// Lines of one section.
    struct Lines {
        fileprivate var text = ""

        mutating func add(_ name: String, _ value: some CustomStringConvertible) {
            text += "\(name):\(value)\r\n"
        }

        /// A fraction with so many decimals.
        mutating func add(_ name: String, _ value: Double, decimals: Int, suffix: String = "") {
            text += "\(name):\(Numbers.fixed(value, decimals: decimals))\(suffix)\r\n"
        }

        /// Fields that are constant here.
        mutating func add(_ zeros: [String]) { for name in zeros { add(name, 0) } }
    }

    private static let sections = [
        Section(name: "server", title: "Server", isDefault: true, write: server),
        Section(name: "clients", title: "Clients", isDefault: true, write: clients),
        Section(name: "memory", title: "Memory", isDefault: true, write: memory),
        Section(name: "persistence", title: "Persistence", isDefault: true, write: persistence),
        Section(name: "threads", title: "Threads", isDefault: true, write: threads),
        Section(name: "stats", title: "Stats", isDefault: true, write: stats),
        Section(name: "replication", title: "Replication", isDefault: true, write: replication),
        Section(name: "cpu", title: "CPU", isDefault: true, write: cpu),
        Section(name: "modules", title: "Modules", isDefault: true) { _, _ in },
        Section(
            name: "commandstats", title: "Commandstats", isDefault: false, write: commandStats),
        Section(name: "errorstats", title: "Errorstats", isDefault: true, write: errorStats),
        Section(
            name: "latencystats", title: "Latencystats", isDefault: false, write: latencyStats),
        Section(name: "cluster", title: "Cluster", isDefault: true) { call, lines in
            lines.add("cluster_enabled", 0)
        },
        Section(name: "keyspace", title: "Keyspace", isDefault: true, write: keyspace),
        Section(name: "keysizes", title: "Keysizes", isDefault: true, write: keySizes),
    ]

    /// The report for the named sections, in lower case; for the usual ones if there are none.
    static func text(_ names: [String], _ call: inout Call) -> String {
        let all = !Set(names).isDisjoint(with: ["all", "everything"])
        let usual = names.isEmpty || names.contains("default")
        call.refreshSessionOfCaller()
        call.samplePeakMemory()
        var report = ""
        for section in sections
        where all || usual && section.isDefault || names.contains(section.name) {
            if !report.isEmpty { report += "\r\n" }
            var lines = Lines()
            section.write(call, &lines)
            report += "# \(section.title)\r\n" + lines.text
        }
        return report
    }

    // MARK: - Sections

    @Sendable private static func server(_ call: borrowing Call, _ lines: inout Lines) {
        let identity = call.identity
        let uptime = max(call.now - identity.startedAt, 0) / 1000
        lines.add("redis_version", ServerIdentity.redisVersion)
        lines.add("redis_git_sha1", "00000000")
        lines.add("redis_git_dirty", 0)
        lines.add("redis_build_id", "0")
        lines.add("redis_mode", "standalone")
        lines.add("server_name", "martlet")
        lines.add("martlet_version", ServerIdentity.version)
        lines.add("os", SystemInformation.kernel)
        lines.add("arch_bits", Int.bitWidth)
        lines.add("monotonic_clock", "POSIX clock_gettime")
        lines.add("multiplexing_api", call.eventLoop)
        lines.add("process_id", SystemInformation.processID)
        lines.add("process_supervised", "no")
        lines.add("run_id", identity.runID)
        lines.add("tcp_port", call.configuration.port)
        lines.add("server_time_usec", Clock.unixMicroseconds())
        lines.add("uptime_in_seconds", uptime)
        lines.add("uptime_in_days", uptime / 86_400)
        lines.add("hz", call.configuration.hz)
        lines.add("configured_hz", call.configuration.hz)
        lines.add("lru_clock", call.clock)
        lines.add("executable", identity.executable)
        lines.add("config_file", identity.configurationFile)
        lines.add("io_threads_active", 0)
        let bind = call.configuration.bind.map { "bind=\($0)" }.joined(separator: ",")
        if call.configuration.port != 0 {
            lines.add("listener0", "name=tcp,\(bind),port=\(call.configuration.port)")
        }
        if !call.configuration.unixSocket.isEmpty {
            lines.add("listener1", "name=unix,bind=\(call.configuration.unixSocket)")
        }
    }

    @Sendable private static func clients(_ call: borrowing Call, _ lines: inout Lines) {
        var input = 0, output = 0, held = 0, watching = 0
        for slot in 0..<call.clients.slotCount where call.clients[slot].isOpen {
            input = max(input, call.clients[slot].inputBytes)
            output = max(output, call.clients[slot].outputBytes)
            if call.clients[slot].isHeld { held += 1 }
            if !call.clients[slot].watched.isEmpty { watching += 1 }
        }
        lines.add("connected_clients", call.clients.count)
        lines.add("cluster_connections", 0)
        lines.add("maxclients", call.configuration.maxClients)
        lines.add("client_recent_max_input_buffer", input)
        lines.add("client_recent_max_output_buffer", output)
        lines.add("blocked_clients", call.blocking.count + held)
        lines.add("tracking_clients", call.trackingTable.clientCount)
        lines.add("pubsub_clients", call.listenerCount)
        lines.add("watching_clients", watching)
        lines.add("clients_in_timeout_table", call.blocking.timedCount)
        lines.add("total_watched_keys", call.watching.keyCount)
        lines.add("total_blocking_keys", call.blocking.keyCount)
        lines.add("total_blocking_keys_on_nokey", 0)
    }

    @Sendable private static func memory(_ call: borrowing Call, _ lines: inout Lines) {
        let used = call.usedMemory
        let peak = max(call.peakMemory, used)
        let resident = SystemInformation.residentBytes
        let total = SystemInformation.totalMemory
        let data = max(used - call.startupMemory, 0)
        func size(_ name: String, _ bytes: Int) {
            lines.add(name, bytes)
            lines.add("\(name)_human", Numbers.humanBytes(bytes))
        }
        size("used_memory", used)
        size("used_memory_rss", resident)
        size("used_memory_peak", peak)
        lines.add("used_memory_peak_time", call.peakMemoryTime / 1000)
        lines.add(
            "used_memory_peak_perc", Double(used) * 100 / Double(max(peak, 1)), decimals: 2,
            suffix: "%")
        lines.add("used_memory_overhead", used - call.datasetMemory)
        lines.add("used_memory_startup", call.startupMemory)
        lines.add("used_memory_dataset", call.datasetMemory)
        lines.add(
            "used_memory_dataset_perc",
            min(Double(call.datasetMemory) * 100 / Double(max(data, 1)), 100), decimals: 2,
            suffix: "%")
        lines.add("allocator_allocated", used)
        lines.add("allocator_active", max(resident, used))
        lines.add("allocator_resident", max(resident, used))
        lines.add("allocator_muzzy", 0)
        size("total_system_memory", total)
        lines.add(["used_memory_lua", "used_memory_vm_eval"])
        lines.add("used_memory_lua_human", Numbers.humanBytes(0))
        lines.add([
            "used_memory_scripts_eval", "number_of_cached_scripts", "number_of_functions",
            "number_of_libraries", "used_memory_vm_functions",
        ])
        size("used_memory_vm_total", 0)
        lines.add("used_memory_functions", 0)
        size("used_memory_scripts", 0)
        size("maxmemory", call.configuration.maxMemory)
        lines.add("maxmemory_policy", call.configuration.maxMemoryPolicy.rawValue)
        let ratio = Double(resident) / Double(max(used, 1))
        lines.add("allocator_frag_ratio", 1.0, decimals: 2)
        lines.add("allocator_frag_bytes", 0)
        lines.add("allocator_rss_ratio", ratio, decimals: 2)
        lines.add("allocator_rss_bytes", resident - used)
        lines.add("rss_overhead_ratio", 1.0, decimals: 2)
        lines.add("rss_overhead_bytes", 0)
        lines.add("mem_fragmentation_ratio", ratio, decimals: 2)
        lines.add("mem_fragmentation_bytes", resident - used)
        lines.add([
            "mem_not_counted_for_evict", "mem_replication_backlog",
            "mem_total_replication_buffers", "mem_replica_full_sync_buffer",
            "mem_clients_slaves",
        ])
        lines.add("mem_clients_normal", call.clientMemory)
        lines.add("mem_cluster_links", 0)
        lines.add("mem_aof_buffer", call.appendOnly?.backlogBytes ?? 0)
        lines.add("mem_allocator", "slab")
        lines.add([
            "mem_overhead_db_hashtable_rehashing", "active_defrag_running",
            "lazyfree_pending_objects", "lazyfreed_objects",
        ])
    }

    @Sendable private static func persistence(_ call: borrowing Call, _ lines: inout Lines) {
        let files = call.persistence, now = call.unixSeconds
        let save = call.snapshot?.purpose == .save ? call.snapshot : nil
        let running = call.snapshot?.isFinished == false ? call.snapshot : nil
        lines.add("loading", files.loading == nil ? 0 : 1)
        lines.add(["async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age"])
        let done = Double(running?.keysDone ?? 0) * 100 / Double(max(running?.keysTotal ?? 0, 1))
        lines.add("current_fork_perc", min(done, 100), decimals: 2)
        lines.add("current_save_keys_processed", running?.keysDone ?? 0)
        lines.add("current_save_keys_total", running?.keysTotal ?? 0)
        lines.add("rdb_changes_since_last_save", call.changesSinceSave)
        lines.add("rdb_bgsave_in_progress", save == nil ? 0 : 1)
        lines.add("rdb_last_save_time", files.lastSaveTime)
        lines.add("rdb_last_bgsave_status", files.isSaveOK ? "ok" : "err")
        lines.add("rdb_last_bgsave_time_sec", files.lastSaveSeconds)
        lines.add(
            "rdb_current_bgsave_time_sec", save.map { max(now - $0.startTime / 1000, 0) } ?? -1)
        lines.add("rdb_saves", files.saves)
        lines.add("rdb_last_cow_size", 0)
        lines.add("rdb_last_load_keys_expired", files.expiredKeys)
        lines.add("rdb_last_load_keys_loaded", files.loadedKeys)
        addAppendOnlyFile(call, &lines)
        lines.add([
            "aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size",
        ])
        if let file = call.appendOnly { addSizes(of: file, &lines) }
        if let loading = files.loading { addLoading(loading, call, &lines) }
    }

    private static func addAppendOnlyFile(_ call: borrowing Call, _ lines: inout Lines) {
        let files = call.persistence
        let isRunning = files.rewrite != nil || files.isRewriteWanted
        lines.add("aof_enabled", call.configuration.appendOnly ? 1 : 0)
        lines.add("aof_rewrite_in_progress", isRunning ? 1 : 0)
        lines.add("aof_rewrite_scheduled", files.isRewriteScheduled ? 1 : 0)
        lines.add("aof_last_rewrite_time_sec", files.lastRewriteSeconds)
        lines.add(
            "aof_current_rewrite_time_sec",
            files.rewrite.map { max((call.now - $0.startTime) / 1000, 0) } ?? -1)
        lines.add("aof_last_bgrewrite_status", files.isRewriteOK ? "ok" : "err")
        lines.add("aof_rewrites", files.rewrites)
        lines.add("aof_rewrites_consecutive_failures", files.rewriteFailures)
        lines.add("aof_last_write_status", call.appendOnly?.failure == nil ? "ok" : "err")
    }

    private static func addSizes(of file: AppendOnlyFile, _ lines: inout Lines) {
        lines.add("aof_current_size", file.totalBytes)
        lines.add("aof_base_size", file.baseBytes)
        lines.add("aof_pending_rewrite", 0)
        lines.add("aof_buffer_length", file.backlogBytes)
        lines.add("aof_pending_bio_fsync", file.isBusy ? 1 : 0)
        lines.add("aof_delayed_fsync", file.delayedCount)
    }

    private static func addLoading(
        _ progress: LoadProgress, _ call: borrowing Call, _ lines: inout Lines
    ) {
        let elapsed = max(call.now - progress.startTime, 0)
        let left = progress.totalBytes - progress.loadedBytes
        let percent = Double(progress.loadedBytes) * 100 / Double(max(progress.totalBytes, 1))
        lines.add("loading_start_time", progress.startTime / 1000)
        lines.add("loading_total_bytes", progress.totalBytes)
        lines.add("loading_rdb_used_mem", 0)
        lines.add("loading_loaded_bytes", progress.loadedBytes)
        lines.add("loading_loaded_perc", percent, decimals: 2)
        let seconds = Double(elapsed) / 1000 * Double(left) / Double(max(progress.loadedBytes, 1))
        lines.add("loading_eta_seconds", Int(min(seconds, 1e9)))
    }

    @Sendable private static func threads(_ call: borrowing Call, _ lines: inout Lines) {
        lines.add(
            "io_thread_0",
            "clients=\(call.clients.count),reads=\(call.statistics.reads),"
                + "writes=\(call.statistics.writes)")
    }

    @Sendable private static func stats(_ call: borrowing Call, _ lines: inout Lines) {
        let s = call.statistics
        lines.add("total_connections_received", s.connections)
        lines.add("total_commands_processed", s.commands)
        lines.add("instantaneous_ops_per_sec", call.rates.commands.perSecond)
        lines.add("total_net_input_bytes", s.bytesIn)
        lines.add("total_net_output_bytes", s.bytesOut)
        lines.add(["total_net_repl_input_bytes", "total_net_repl_output_bytes"])
        let input = Double(call.rates.bytesIn.perSecond) / 1024
        let output = Double(call.rates.bytesOut.perSecond) / 1024
        lines.add("instantaneous_input_kbps", input, decimals: 2)
        lines.add("instantaneous_output_kbps", output, decimals: 2)
        lines.add("instantaneous_input_repl_kbps", 0.0, decimals: 2)
        lines.add("instantaneous_output_repl_kbps", 0.0, decimals: 2)
        lines.add("rejected_connections", s.rejectedConnections)
        lines.add(["sync_full", "sync_partial_ok", "sync_partial_err"])
        lines.add("expired_subkeys", s.expiredFields)
        lines.add("expired_keys", s.expiredKeys)
        lines.add("expired_stale_perc", 0.0, decimals: 2)
        lines.add("expired_time_cap_reached_count", s.expirySlices)
        lines.add("expire_cycle_cpu_milliseconds", s.expiryMicroseconds / 1000)
        lines.add("evicted_keys", s.evictedKeys)
        lines.add("evicted_clients", s.evictedClients)
        lines.add([
            "evicted_scripts", "total_eviction_exceeded_time",
            "current_eviction_exceeded_time",
        ])
        lines.add("keyspace_hits", s.hits)
        lines.add("keyspace_misses", s.misses)
        lines.add("pubsub_channels", call.pubsub.nameCount(.channel))
        lines.add("pubsub_patterns", call.pubsub.nameCount(.pattern))
        lines.add("pubsubshard_channels", call.pubsub.nameCount(.shardChannel))
        lines.add([
            "latest_fork_usec", "total_forks", "migrate_cached_sockets",
            "slave_expires_tracked_keys",
            "active_defrag_hits", "active_defrag_misses", "active_defrag_key_hits",
            "active_defrag_key_misses", "total_active_defrag_time", "current_active_defrag_time",
        ])
        lines.add("tracking_total_keys", call.trackingTable.keyCount)
        lines.add("tracking_total_items", call.trackingTable.itemCount)
        lines.add("tracking_total_prefixes", call.trackingTable.prefixCount)
        lines.add("unexpected_error_replies", 0)
        lines.add("total_error_replies", s.errorReplies)
        lines.add("dump_payload_sanitizations", 0)
        lines.add("total_reads_processed", s.reads)
        lines.add("total_writes_processed", s.writes)
        lines.add([
            "io_threaded_reads_processed", "io_threaded_writes_processed",
            "io_threaded_total_prefetch_batches", "io_threaded_total_prefetch_entries",
        ])
        lines.add("client_query_buffer_limit_disconnections", s.inputBufferLimitDisconnections)
        lines.add("client_output_buffer_limit_disconnections", s.outputBufferLimitDisconnections)
        lines.add(["reply_buffer_shrinks", "reply_buffer_expands"])
        addEventLoop(call, &lines)
        lines.add([
            "acl_access_denied_auth", "acl_access_denied_cmd", "acl_access_denied_key",
            "acl_access_denied_channel",
        ])
    }

    private static func addEventLoop(_ call: borrowing Call, _ lines: inout Lines) {
        var ticks = 0
        for id in 0..<call.commandStatistics.count { ticks &+= call.commandStatistics.ticks(id) }
        let cycles = call.rates.turns.perSecond
        lines.add("eventloop_cycles", call.statistics.turns)
        lines.add("eventloop_duration_sum", call.turnMicroseconds)
        lines.add("eventloop_duration_cmd_sum", Int(Double(ticks) / call.ticksPerMicrosecond))
        lines.add("instantaneous_eventloop_cycles_per_sec", cycles)
        lines.add(
            "instantaneous_eventloop_duration_usec",
            cycles == 0 ? 0 : call.rates.turnTime.perSecond / cycles)
    }

    @Sendable private static func replication(_ call: borrowing Call, _ lines: inout Lines) {
        lines.add("role", "master")
        lines.add("connected_slaves", 0)
        lines.add("master_failover_state", "no-failover")
        lines.add("master_replid", call.replicationID)
        lines.add("master_replid2", String(repeating: "0", count: 40))
        lines.add("master_repl_offset", 0)
        lines.add("second_repl_offset", -1)
        lines.add("repl_backlog_active", 0)
        lines.add("repl_backlog_size", 1_048_576)
        lines.add("repl_backlog_first_byte_offset", 0)
        lines.add("repl_backlog_histlen", 0)
    }

    @Sendable private static func cpu(_ call: borrowing Call, _ lines: inout Lines) {
        let own = SystemInformation.processorTime(of: .process)
        let children = SystemInformation.processorTime(of: .children)
        let thread = SystemInformation.processorTime(of: .thread)
        lines.add("used_cpu_sys", own.system, decimals: 6)
        lines.add("used_cpu_user", own.user, decimals: 6)
        lines.add("used_cpu_sys_children", children.system, decimals: 6)
        lines.add("used_cpu_user_children", children.user, decimals: 6)
        lines.add("used_cpu_sys_main_thread", thread.system, decimals: 6)
        lines.add("used_cpu_user_main_thread", thread.user, decimals: 6)
    }

    @Sendable private static func commandStats(_ call: borrowing Call, _ lines: inout Lines) {
        for id in 0..<call.commandStatistics.count {
            let s = call.commandStatistics[id]
            if s.isEmpty { continue }
            let microseconds = Double(s.ticks) / call.ticksPerMicrosecond
            let each = Numbers.fixed(
                s.calls == 0 ? 0 : microseconds / Double(s.calls), decimals: 2)
            lines.add(
                "cmdstat_\(call.commands.fullName(id))",
                "calls=\(s.calls),usec=\(Int(microseconds)),usec_per_call=\(each),"
                    + "rejected_calls=\(s.rejected),failed_calls=\(s.failed)")
        }
    }

    @Sendable private static func latencyStats(_ call: borrowing Call, _ lines: inout Lines) {
        let names = call.configuration.latencyTrackingInfoPercentiles.split(separator: " ")
        let percents = names.map { Double($0) ?? 0 }
        for id in 0..<call.commandStatistics.count where call.hasDurations(id) {
            let values = zip(names, call.percentiles(id, percents)).map {
                "p\($0)=\(Numbers.fixed($1, decimals: 3))"
            }
            lines.add(
                "latency_percentiles_usec_\(call.commands.fullName(id))",
                values.joined(separator: ","))
        }
    }

    @Sendable private static func errorStats(_ call: borrowing Call, _ lines: inout Lines) {
        for (code, count) in call.errorStatistics.counts.sorted(by: { $0.key < $1.key }) {
            // A colon would end the field's name.
            let name = String(code.map { $0 == ":" ? "_" : $0 })
            lines.add("errorstat_\(name)", "count=\(count)")
        }
    }

    @Sendable private static func keyspace(_ call: borrowing Call, _ lines: inout Lines) {
        for i in 0..<call.keyspace.count where call.keyspace.databases[i].count > 0 {
            let volatileCount = call.keyspace.databases[i].volatileCount
            let average = call.keyspace.databases[i].averageLifetime(call.now)
            lines.add(
                "db\(i)",
                "keys=\(call.keyspace.databases[i].count),expires=\(volatileCount),"
                    + "avg_ttl=\(average),subexpiry="
                    + "\(call.keyspace.databases[i].volatileHashCount)")
        }
    }

    @Sendable private static func keySizes(_ call: borrowing Call, _ lines: inout Lines) {
        // A stretch that begins elsewhere each second.
        let start = UInt64(truncatingIfNeeded: call.now / 1000) &* 0x9E37_79B9_7F4A_7C15
        for i in 0..<call.keyspace.count where call.keyspace.databases[i].count > 0 {
            for (name, value) in KeySizes(call.keyspace.databases[i], from: start).fields {
                lines.text += "db\(i)_distrib_\(name):\(value)\r\n"
            }
        }
    }
}

//  RedisPyTests.swift — a client library, with what it takes for granted.
import Engine
import Platform
import TestSupport
import Testing

@Suite("redis-py", .enabled(if: Tools.python != nil, "redis-py is not installed"))
struct RedisPyTests {
    /// Runs `script` with `port` and `protocol` set; it must end without an exception.
    private func check(
        _ server: EmbeddedServer, _ version: Int, _ script: String
    ) throws {
        let path = try #require(Tools.python)
        let head = "import redis, threading, asyncio\nport, protocol = \(server.port), \(version)\n"
        let (code, output) = try run(path, ["-c", head + script + "\nprint('fine')\n"])
        #expect(output == "fine\n")
        #expect(code == 0)
    }

    @Test(arguments: [2, 3]) func `pipelines, pools and types`(version: Int) throws {
        let server = try EmbeddedServer()
        try check(
            server, version,
            """
            pool = redis.ConnectionPool(port=port, protocol=protocol, decode_responses=True,
                                        max_connections=8)
            r = redis.Redis(connection_pool=pool)
            assert r.ping()
            assert r.set('k', 'v', ex=100) and r.get('k') == 'v' and 90 < r.ttl('k') <= 100
            assert r.set('k', 'w', nx=True) is None
            assert r.getset('k', 'x') == 'v'
            with r.pipeline(transaction=False) as p:
                for i in range(1000):
                    p.set('n:%d' % i, i)
                    p.incr('n:%d' % i)
                replies = p.execute()
            assert replies[1::2] == list(range(1, 1001))
            assert len(list(r.scan_iter('n:*', count=50))) == 1000
            def work(n):
                c = redis.Redis(connection_pool=pool)
                for _ in range(200): c.incr('shared')
            threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
            [t.start() for t in threads]; [t.join() for t in threads]
            assert r.get('shared') == '1200'
            assert r.config_get('maxclients')['maxclients'] == '10000'
            assert r.info()['redis_version'] == '8.2.0'
            assert len(r.client_list()) >= 1 and r.client_getname() is None
            assert r.command_count() > 60
            try:
                r.execute_command('NOPE'); raise SystemExit('no error')
            except redis.ResponseError as e:
                assert 'unknown command' in str(e)
            """)
    }

    @Test(arguments: [2, 3]) func `strings and keys`(version: Int) throws {
        let server = try EmbeddedServer()
        try check(
            server, version,
            """
            import datetime
            r = redis.Redis(port=port, protocol=protocol)
            assert r.get('k') is None and r.set('k', b'\\x00\\xff\\r\\n')
            assert r.get('k') == b'\\x00\\xff\\r\\n' and r.strlen('k') == 4
            assert r.mset({'a': 1, 'b': 2.5}) and r.mget('a', 'b', 'c') == [b'1', b'2.5', None]
            assert not r.msetnx({'a': 1, 'z': 1}) and r.exists('a', 'b', 'z') == 2
            assert r.incrbyfloat('b', 0.5) == 3.0 and r.decrby('a', 3) == -2
            assert r.append('s', 'Hello') == 5 and r.getrange('s', 1, 3) == b'ell'
            assert r.setrange('s', 5, '!') == 6 and r.getdel('s') == b'Hello!'
            assert r.set('k', 'v', get=True, px=100000) == b'\\x00\\xff\\r\\n'
            assert r.getex('k', persist=True) == b'v' and r.ttl('k') == -1
            assert r.expireat('k', datetime.datetime(2121, 1, 1), nx=True)
            assert r.expiretime('k') > 4e9 and not r.expire('k', 10, nx=True)
            assert r.persist('k') and r.rename('k', 'l') and not r.renamenx('l', 'a')
            assert r.copy('l', 'm') and not r.copy('l', 'm') and r.copy('l', 'm', replace=True)
            assert r.move('m', 1) and r.type('l') == b'string' and r.object('encoding', 'l')
            assert r.lcs('a', 'b', len=True) == 0 and r.touch('a', 'b') == 2
            assert r.randomkey() in r.keys() and r.unlink('a', 'b') == 2
            assert r.dbsize() == 1 and r.flushdb() and r.dbsize() == 0
            assert r.time()[0] > 1e9 and r.echo('x') == b'x' and r.lolwut()
            """)
    }

    @Test(arguments: [2, 3]) func `clients, settings and reports`(version: Int) throws {
        let server = try EmbeddedServer()
        try check(
            server, version,
            """
            r = redis.Redis(port=port, protocol=protocol, client_name='mine', db=3,
                            decode_responses=True, health_check_interval=1)
            other = redis.Redis(port=port, protocol=protocol, single_connection_client=True)
            assert r.client_getname() == 'mine' and r.client_info()['db'] in (3, '3')
            lines = r.client_list()
            assert {'redis-py'} <= {l['lib-name'].split('(')[0] for l in lines}
            assert {l['resp'] for l in lines} == {str(protocol)}
            assert r.client_kill_filter(_id=other.client_id()) == 1
            assert other.ping()  # It connects again.
            assert r.config_set('timeout', 7) and r.config_get('time*') == {'timeout': '7'}
            assert r.config_set('timeout', 0) and r.config_resetstat()
            info = r.info('server')
            assert info['server_name'] == 'martlet' and info['tcp_port'] == port
            r.set('a', 1, ex=100)
            assert r.info('keyspace')['db3']['keys'] == 1
            assert 'cmdstat_set' in r.info('commandstats')
            assert r.command()['get']['arity'] == 2 and 'set' in r.command_list()
            assert r.command_getkeys('MSET', 'a', 1, 'b', 2) == ['a', 'b']
            assert len(r.execute_command('COMMAND DOCS', 'GET')) in (1, 2)
            for words, kind in [(('GET',), redis.ResponseError), (('HELLO', '9'), redis.ResponseError)]:
                try:
                    r.execute_command(*words); raise SystemExit('no error')
                except kind: pass
            """)
    }

    @Test(arguments: [2, 3]) func `a password and a unix socket`(version: Int) throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/socket"
        let server = try EmbeddedServer {
            $0.requirePass = "secret"
            $0.unixSocket = path
        }
        try check(
            server, version,
            """
            from redis.retry import Retry
            from redis.backoff import NoBackoff
            path, once = '\(path)', Retry(NoBackoff(), 0)
            for options in [dict(port=port), dict(unix_socket_path=path)]:
                r = redis.Redis(protocol=protocol, password='secret', **options)
                assert r.ping()
                r = redis.Redis(protocol=protocol, username='default', password='secret', **options)
                assert r.ping()
                for password in ['wrong', None]:
                    try:
                        redis.Redis(protocol=protocol, password=password, retry=once,
                                    **options).ping()
                        raise SystemExit('no error')
                    except redis.AuthenticationError: pass
            assert redis.from_url('redis://:secret@localhost:%d/2' % port).ping()
            assert redis.from_url('unix://:secret@%s' % path).ping()
            """)
    }

    @Test(arguments: [2, 3]) func `many at once with asyncio`(version: Int) throws {
        let server = try EmbeddedServer()
        try check(
            server, version,
            """
            from redis import asyncio as aioredis
            async def main():
                pool = aioredis.BlockingConnectionPool(
                    port=port, protocol=protocol, max_connections=20, decode_responses=True)
                r = aioredis.Redis(connection_pool=pool)
                async def work(n):
                    for i in range(20):
                        await r.set('k:%d:%d' % (n, i), i)
                        assert await r.get('k:%d:%d' % (n, i)) == str(i)
                        await r.incr('sum')
                await asyncio.gather(*[work(n) for n in range(50)])
                assert await r.get('sum') == '1000' and await r.dbsize() == 1001
                async with r.pipeline(transaction=False) as p:
                    for i in range(2000): p.append('long', 'x')
                    assert (await p.execute())[-1] == 2000
                await r.aclose()
            asyncio.run(main())
            """)
    }

    @Test(arguments: [2, 3]) func `counters, locks and a chat`(version: Int) throws {
        let server = try EmbeddedServer()
        try check(
            server, version,
            """
            r = redis.Redis(port=port, protocol=protocol, decode_responses=True)
            def count(pipe):
                value = int(pipe.get('n') or 0)
                pipe.multi()
                pipe.set('n', value + 1)
            def work():
                c = redis.Redis(port=port, protocol=protocol)
                for _ in range(50): c.transaction(count, 'n')
            threads = [threading.Thread(target=work) for _ in range(6)]
            [t.start() for t in threads]; [t.join() for t in threads]
            assert r.get('n') == '300'
            # The library's own release is a script, and scripts do not exist yet.
            class Lock(redis.lock.Lock):
                def register_scripts(self): pass
                def do_release(self, token):
                    def give_back(pipe):
                        assert pipe.get(self.name) == token
                        pipe.multi()
                        pipe.delete(self.name)
                    self.redis.transaction(give_back, self.name)
            shared = []
            def careful():
                c = redis.Redis(port=port, protocol=protocol)
                for _ in range(10):
                    with c.lock('lock', timeout=20, sleep=0.001, lock_class=Lock):
                        seen = len(shared); shared.append(seen); assert len(shared) == seen + 1
            threads = [threading.Thread(target=careful) for _ in range(4)]
            [t.start() for t in threads]; [t.join() for t in threads]
            assert shared == list(range(40))
            """
                + chat)
    }

    private var chat: String {
        """

        people = [redis.Redis(port=port, protocol=protocol, decode_responses=True).pubsub()
                  for _ in range(5)]
        for i, p in enumerate(people):
            p.subscribe('room'); p.psubscribe('private:%d:*' % i)
            for _ in range(2): assert p.get_message(timeout=20)['type'].endswith('subscribe')
        for i in range(20):
            assert r.publish('room', 'hello %d' % i) == 5
            assert r.publish('private:%d:x' % (i % 5), 'psst') == 1
        for i, p in enumerate(people):
            got = []
            while len(got) < 24:
                m = p.get_message(timeout=20)
                assert m is not None
                got.append((m['type'], m['channel'], m['data']))
            assert [d for t, c, d in got if t == 'message'] == ['hello %d' % k for k in range(20)]
            assert [c for t, c, d in got if t == 'pmessage'] == ['private:%d:x' % i] * 4
            p.close()
        """
    }

    @Test func `a cache on the client's side`() throws {
        let server = try EmbeddedServer()
        try check(
            server, 3,
            """
            import time
            from redis.cache import CacheConfig
            r = redis.Redis(port=port, protocol=3, decode_responses=True,
                            cache_config=CacheConfig(max_size=100))
            w = redis.Redis(port=port, decode_responses=True)
            w.set('k', '1')
            def reads(): return w.info('commandstats')['cmdstat_get']['calls']
            assert r.get('k') == '1'
            before = reads()
            for _ in range(10): assert r.get('k') == '1'
            assert reads() == before, 'the copy was not used'
            w.set('k', '2')
            end = time.time() + 20
            while r.get('k') != '2': assert time.time() < end
            w.set('k', '3', px=30)
            while r.get('k') is not None: assert time.time() < end
            for i in range(50): r.get('x:%d' % i)
            w.flushall()
            w.set('x:7', 'new')
            while r.get('x:7') != 'new': assert time.time() < end
            """)
    }
}

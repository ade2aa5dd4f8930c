//  JobQueueTests.swift — queues of jobs, from the request to the result: Celery and RQ.
import Engine
import Platform
import TestSupport
import Testing

@Suite("Job queues", .enabled(if: Tools.hasJobQueues, "Celery and RQ are not installed"))
struct JobQueueTests {
    /// Runs a program of several files, the first of which is started; returns what it prints.
    private func output(_ server: EmbeddedServer, _ files: [(String, String)]) throws -> String {
        let python = try #require(Tools.python)
        let folder = try TemporaryDirectory()
        for (name, text) in files {
            try FileSystem.replace("\(folder.path)/\(name)", with: Array(text.utf8))
        }
        let program = "\(folder.path)/\(files[0].0)"
        return try run(python, [program, "\(server.port)"]).output
    }

    @Test func `an RQ worker runs all jobs, and the results are there`() throws {
        let server = try EmbeddedServer()
        let program = """
            import sys, redis, rq, jobs
            connection = redis.Redis(port=int(sys.argv[1]))
            queue = rq.Queue('work', connection=connection)
            added = [queue.enqueue(jobs.add, i, 1) for i in range(20)]
            failing = queue.enqueue(jobs.fail)
            after = queue.enqueue(jobs.add, 40, 2, depends_on=added[3])
            rq.SimpleWorker([queue], connection=connection).work(burst=True, logging_level='CRITICAL')
            assert [job.return_value(refresh=True) for job in added] == list(range(1, 21))
            assert after.return_value(refresh=True) == 42
            assert failing.get_status(refresh=True) == rq.job.JobStatus.FAILED
            assert 'ZeroDivisionError' in failing.latest_result().exc_string
            assert len(queue.finished_job_registry) == 21 and len(queue.failed_job_registry) == 1
            assert queue.count == 0
            print('fine')
            """
        let jobs = """
            def add(a, b): return a + b
            def fail(): return 1 / 0
            """
        let text = try output(server, [("program.py", program), ("jobs.py", jobs)])
        #expect(text.hasSuffix("fine\n"), "\(text)")
    }

    /// A worker that loses the server ends.
    ///
    /// Without scripts on the server two things of Celery's are switched off: the control of workers
    /// from afar, and the redelivery of jobs whose workers are lost.
    @Test func `a Celery worker runs all tasks, and the results are there`() throws {
        let server = try EmbeddedServer()
        let program = """
            import os, subprocess, sys
            os.environ['PORT'] = sys.argv[1]
            from celery import chain, group
            from tasks import add, fail
            worker = subprocess.Popen(
                [sys.executable, '-m', 'celery', '-A', 'tasks', 'worker', '--pool', 'solo',
                 '--loglevel', 'CRITICAL', '--without-gossip', '--without-mingle', '--without-heartbeat'],
                cwd=os.path.dirname(os.path.abspath(__file__)))
            try:
                added = [add.delay(i, 1) for i in range(20)]
                failing = fail.delay()
                chained = chain(add.s(1, 2), add.s(3), add.s(4)).delay()
                many = group(add.s(i, i) for i in range(5)).delay()
                assert [result.get(timeout=60) for result in added] == list(range(1, 21))
                assert chained.get(timeout=60) == 10 and many.get(timeout=60) == [0, 2, 4, 6, 8]
                assert isinstance(failing.get(timeout=60, propagate=False), ZeroDivisionError)
            finally:
                worker.terminate()
                worker.wait()
            print('fine')
            """
        let tasks = """
            import os
            from celery import Celery
            url = 'redis://127.0.0.1:%s/0' % os.environ['PORT']
            app = Celery('tasks', broker=url, backend=url)
            app.conf.update(worker_enable_remote_control=False,
                            broker_transport_options={'ack_emulation': False},
                            broker_connection_retry=False,
                            broker_connection_retry_on_startup=False)
            @app.task
            def add(a, b): return a + b
            @app.task
            def fail(): return 1 / 0
            """
        let text = try output(server, [("program.py", program), ("tasks.py", tasks)])
        #expect(text.hasSuffix("fine\n"), "\(text)")
    }
}

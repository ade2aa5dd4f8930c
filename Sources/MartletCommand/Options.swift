//  Options.swift — what the command line asks for.

enum Options {
    static let usage = """
        Usage: martlet [/path/to/martlet.conf] [options] [-]
               martlet check-rdb FILE
               martlet check-aof [--fix | --truncate-to-timestamp SECONDS] FILE|MANIFEST
               martlet -v or --version
               martlet -h or --help

        Options are directives of the configuration file with two dashes in front, and count after
        the file. A single dash reads more directives from standard input.

        check-rdb reads an RDB file as a server would and tells what is in it; the exit status is 1
        when it is damaged, and the output names the place and the reason.

        check-aof does the same for append-only files; --fix cuts off what a crash has left of the
        last command.

        Examples:
               martlet
               martlet /etc/martlet/martlet.conf
               martlet --port 7777 --maxmemory 128mb --save ""
               martlet /etc/martlet/martlet.conf --loglevel verbose
               echo 'maxmemory 128mb' | martlet -

        """
}

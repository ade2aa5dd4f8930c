//  Options.swift — what the command line asks for.

enum Options {
    static let usage = """
        Usage: martlet [/path/to/martlet.conf] [options] [-]
               martlet -v or --version
               martlet -h or --help

        Options are directives of the configuration file with two dashes in front, and count after
        the file. A single dash reads more directives from standard input.

        Examples:
               martlet
               martlet /etc/martlet/martlet.conf
               martlet --port 7777 --maxmemory 128mb --save ""
               martlet /etc/martlet/martlet.conf --loglevel verbose
               echo 'maxmemory 128mb' | martlet -

        """
}

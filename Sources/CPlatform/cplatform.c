#define _GNU_SOURCE
#include "cplatform.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

/// Reads all of `text` as a number; hexadecimal, infinity and exponents are numbers, NaN is none.
static int read_long_double(const char *text, long double *value) {
    if (text[0] == 0 || isspace((unsigned char)text[0])) return 0;
    char *end;
    errno = 0;
    *value = strtold(text, &end);
    if (*end != 0 || isnan(*value)) return 0;
    if (errno == ERANGE && (fabsl(*value) == HUGE_VALL || *value == 0)) return 0;
    return 1;
}

int cp_add_decimals(const char *a, const char *b, char *out, size_t size) {
    long double x, y;
    if (!read_long_double(a, &x)) return -1;
    if (!read_long_double(b, &y)) return -2;
    long double sum = x + y;
    if (!isfinite(sum)) return -3;
    int n = snprintf(out, size, "%.17Lf", sum);
    if (n < 0 || (size_t)n >= size) return -3;
    if (strchr(out, '.')) {
        while (out[n - 1] == '0') n--;
        if (out[n - 1] == '.') n--;
    }
    if (n == 2 && out[0] == '-' && out[1] == '0') {
        out[0] = '0';
        n = 1;
    }
    return n;
}

void cp_error_text(int code, char *out, size_t size) {
    // The GNU variant returns a string that need not be `out`.
    const char *text = strerror_r(code, out, size);
    if (text != out) snprintf(out, size, "%s", text);
}

// MARK: Sockets

static int fail_closing(int fd) {
    int code = errno;
    if (fd >= 0) close(fd);
    return -code;
}

int cp_listen_tcp(const char *address, uint16_t port, int backlog) {
    struct addrinfo hints = {0}, *list;
    char service[8];
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    snprintf(service, sizeof service, "%u", port);
    int error = getaddrinfo(address, service, &hints, &list);
    if (error != 0) return error == EAI_SYSTEM ? -errno : -EADDRNOTAVAIL;
    int result = -EADDRNOTAVAIL;
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int one = 1;
        if (fd < 0) {
            result = -errno;
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (a->ai_family == AF_INET6) {
            // Each family has its own socket, so that one address means one family.
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
        }
        if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, backlog) == 0) {
            result = fd;
            break;
        }
        result = fail_closing(fd);
    }
    freeaddrinfo(list);
    return result;
}

int cp_listen_unix(const char *path, uint32_t permissions, int backlog) {
    struct sockaddr_un a = {0};
    struct stat old;
    if (strlen(path) >= sizeof a.sun_path) return -ENAMETOOLONG;
    a.sun_family = AF_UNIX;
    strcpy(a.sun_path, path);
    if (lstat(path, &old) == 0 && S_ISSOCK(old.st_mode)) unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0) return fail_closing(fd);
    // Before listen: until then nobody can connect, whatever the mode.
    if (permissions && chmod(path, permissions) != 0) return fail_closing(fd);
    if (listen(fd, backlog) != 0) return fail_closing(fd);
    return fd;
}

uint16_t cp_local_port(int fd) {
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &n) != 0) return 0;
    if (a.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&a)->sin_port);
    if (a.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&a)->sin6_port);
    return 0;
}

int cp_accept(int listener) {
    int fd;
    do {
        fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

void cp_no_delay(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

void cp_keep_alive(int fd, int seconds) {
    int on = seconds > 0, interval = seconds / 3 > 0 ? seconds / 3 : 1, probes = 3;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (!on) return;
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

int cp_peer_is_local(int fd) {
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    if (getpeername(fd, (struct sockaddr *)&a, &n) != 0) return 0;
    if (a.ss_family == AF_UNIX) return 1;
    if (a.ss_family == AF_INET) {
        return ntohl(((struct sockaddr_in *)&a)->sin_addr.s_addr) >> 24 == 127;
    }
    if (a.ss_family != AF_INET6) return 0;
    const struct in6_addr *x = &((struct sockaddr_in6 *)&a)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(x) || (IN6_IS_ADDR_V4MAPPED(x) && x->s6_addr[12] == 127);
}

void cp_address(int fd, int local, char *out, size_t size) {
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    char text[INET6_ADDRSTRLEN];
    out[0] = 0;
    int error = local ? getsockname(fd, (struct sockaddr *)&a, &n)
                      : getpeername(fd, (struct sockaddr *)&a, &n);
    if (error != 0) {
        snprintf(out, size, "?:0");
    } else if (a.ss_family == AF_INET) {
        struct sockaddr_in *x = (struct sockaddr_in *)&a;
        inet_ntop(AF_INET, &x->sin_addr, text, sizeof text);
        snprintf(out, size, "%s:%u", text, ntohs(x->sin_port));
    } else if (a.ss_family == AF_INET6) {
        struct sockaddr_in6 *x = (struct sockaddr_in6 *)&a;
        inet_ntop(AF_INET6, &x->sin6_addr, text, sizeof text);
        snprintf(out, size, "[%s]:%u", text, ntohs(x->sin6_port));
    } else if (a.ss_family == AF_UNIX) {
        // An unnamed end has no path; its peer is bound to one.
        struct sockaddr_un *x = (struct sockaddr_un *)&a;
        if (n <= sizeof(sa_family_t) && !local) {
            n = sizeof a;
            if (getsockname(fd, (struct sockaddr *)&a, &n) != 0) n = 0;
        }
        snprintf(out, size, "%s:0", n > sizeof(sa_family_t) ? x->sun_path : "");
    }
}

// MARK: The process and the machine

void cp_kernel(char *out, size_t size) {
    struct utsname name;
    if (uname(&name) != 0) {
        snprintf(out, size, "unknown");
    } else {
        snprintf(out, size, "%s %s %s", name.sysname, name.release, name.machine);
    }
}

long cp_resident_bytes(void) {
    long total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return 0;
    if (fscanf(f, "%ld %ld", &total, &resident) != 2) resident = 0;
    fclose(f);
    return resident * sysconf(_SC_PAGESIZE);
}

void cp_processor_time(int subject, double *user, double *system) {
    struct rusage usage;
    // RUSAGE_SELF is 0, RUSAGE_CHILDREN -1, RUSAGE_THREAD 1.
    if (getrusage(subject, &usage) != 0) return;
    *user = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
    *system = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

unsigned long cp_raise_descriptor_limit(unsigned long wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    if (limit.rlim_cur >= wanted) return limit.rlim_cur;
    struct rlimit raised = limit;
    raised.rlim_cur = wanted;
    if (raised.rlim_max < wanted) raised.rlim_max = wanted;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return wanted;
    // Only a privileged process raises the hard limit.
    raised = limit;
    raised.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return raised.rlim_cur;
    return limit.rlim_cur;
}

void cp_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

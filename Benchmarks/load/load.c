// load.c — a lean load generator for servers that speak RESP.
//
// One thread, one epoll instance, requests made by copying a template and writing the key's digits
// into it. It exists because redis-benchmark is itself the bottleneck without a pipeline: every
// server looks equally fast to a client that is slower than all of them.
//
// Four modes, each of which prints one JSON object on standard output:
//
//   (default)      N connections send batches of P requests, as many as fit in a time or a number
//                  and, with --subscribers, until every message has come
//   --idle N       N connections send one PING each, or subscribe, and stay open until standard
//                  input ends
//   --worst        one connection sets new keys, one at a time: what is the slowest of them?
//   --pulse USEC   one connection sends a PING every USEC microseconds
//
// With --pid the generator reads the server's own CPU time from the kernel at the edges of what it
// measures, so that neither start nor filling is part of a figure.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    key_digits = 12,
    key_length = 4 + key_digits,
    keys_per_mset = 10,
    max_commands = 8,
    fill_pipeline = 64,
    events_per_wait = 512,
    read_size = 256 * 1024,
    slowest_kept = 16,
    windows = 1000,
};

static const uint64_t nanoseconds_per_second = 1000000000;

// MARK: Options

struct options {
    const char *host;
    int port;
    int clients;
    int pipeline;
    const char *mix;
    const char *command;
    uint64_t rate;
    uint64_t keys;
    size_t value_size;
    uint64_t requests;
    double seconds;
    double warmup;
    bool sequential;
    bool fill;
    uint64_t ttl;
    uint64_t expire_at;
    uint64_t seed;
    int idle;
    int subscriptions;
    int subscribers;
    bool worst;
    uint64_t pulse_us;
    int pid;
    int cpu;
};

static const char usage_text[] =
    "usage: load --port N [options]\n"
    "\n"
    "  --host ADDRESS      IPv4 address of the server (127.0.0.1)\n"
    "  --port N            its port\n"
    "  --clients N         connections (50)\n"
    "  --pipeline N        requests per batch (1)\n"
    "  --mix LIST          commands and their weights, as get=9,set=1 (get); of get, set, incr,\n"
    "                      ping and mset (10 keys)\n"
    "  --command TEXT      this command instead of a mix; each __rand__ in it becomes 12 digits,\n"
    "                      and several commands with ';' between them are one request\n"
    "  --subscribers N     so many more connections listen to the channel 'channel'; a request is\n"
    "                      then --command, which publishes one message of --size bytes there\n"
    "  --rate N            send so many requests a second, whatever comes back; latencies count\n"
    "                      from when a request was due\n"
    "  --keys N            size of the key space, key:000000000000 on (100000)\n"
    "  --size BYTES        size of a value (16)\n"
    "  --requests N        stop after so many requests\n"
    "  --seconds S         stop after so many seconds (1, unless --requests is given)\n"
    "  --warmup S          run so long before measuring (0)\n"
    "  --sequential        take the keys in order instead of at random\n"
    "  --seed N            seed of the random keys (1)\n"
    "  --fill              set every key once before anything else; with --requests 0 only that\n"
    "  --ttl SECONDS       filled keys, and those of --worst, expire after so long (EX)\n"
    "  --expire-at SECOND  they expire at this Unix time (EXAT)\n"
    "  --idle N            open N connections, one PING each, and hold them until stdin ends\n"
    "  --subscriptions N   each of them listens to N channels of its own instead of the PING\n"
    "  --worst             set --keys new keys one at a time, report the slowest round trips\n"
    "  --pulse USEC        one PING every USEC microseconds for --seconds\n"
    "  --pid PID           the server's process: also report its CPU time\n"
    "  --cpu N             run on this core\n";

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static uint64_t parse_number(const char *text, const char *name) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-') {
        die("--%s wants a number, not '%s'", name, text);
    }
    return value;
}

static int parse_count(const char *text, const char *name) {
    uint64_t value = parse_number(text, name);
    if (value > INT_MAX) die("--%s is too large", name);
    return (int)value;
}

static double parse_seconds(const char *text, const char *name) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0)) {
        die("--%s wants seconds, not '%s'", name, text);
    }
    return value;
}

static const struct option long_options[] = {
    {"host", required_argument, NULL, 'h'},      {"port", required_argument, NULL, 'p'},
    {"clients", required_argument, NULL, 'c'},   {"pipeline", required_argument, NULL, 'P'},
    {"mix", required_argument, NULL, 'm'},       {"keys", required_argument, NULL, 'k'},
    {"size", required_argument, NULL, 'd'},      {"requests", required_argument, NULL, 'n'},
    {"seconds", required_argument, NULL, 's'},   {"warmup", required_argument, NULL, 'w'},
    {"sequential", no_argument, NULL, 'q'},      {"seed", required_argument, NULL, 'r'},
    {"fill", no_argument, NULL, 'f'},            {"ttl", required_argument, NULL, 't'},
    {"expire-at", required_argument, NULL, 'e'}, {"idle", required_argument, NULL, 'i'},
    {"worst", no_argument, NULL, 'W'},           {"pulse", required_argument, NULL, 'u'},
    {"pid", required_argument, NULL, 'I'},       {"cpu", required_argument, NULL, 'C'},
    {"command", required_argument, NULL, 'o'},   {"rate", required_argument, NULL, 'R'},
    {"subscribers", required_argument, NULL, 'S'},
    {"subscriptions", required_argument, NULL, 'L'},
    {"help", no_argument, NULL, '?'},            {NULL, 0, NULL, 0},
};

static void parse_option(struct options *options, int letter, const char *name) {
    switch (letter) {
    case 'h': options->host = optarg; break;
    case 'p': options->port = parse_count(optarg, name); break;
    case 'c': options->clients = parse_count(optarg, name); break;
    case 'P': options->pipeline = parse_count(optarg, name); break;
    case 'm': options->mix = optarg; break;
    case 'k': options->keys = parse_number(optarg, name); break;
    case 'd': options->value_size = parse_number(optarg, name); break;
    case 'n': options->requests = parse_number(optarg, name); break;
    case 's': options->seconds = parse_seconds(optarg, name); break;
    case 'w': options->warmup = parse_seconds(optarg, name); break;
    case 'q': options->sequential = true; break;
    case 'r': options->seed = parse_number(optarg, name); break;
    case 'f': options->fill = true; break;
    case 't': options->ttl = parse_number(optarg, name); break;
    case 'e': options->expire_at = parse_number(optarg, name); break;
    case 'i': options->idle = parse_count(optarg, name); break;
    case 'W': options->worst = true; break;
    case 'u': options->pulse_us = parse_number(optarg, name); break;
    case 'I': options->pid = parse_count(optarg, name); break;
    case 'o': options->command = optarg; break;
    case 'R': options->rate = parse_number(optarg, name); break;
    case 'S': options->subscribers = parse_count(optarg, name); break;
    case 'L': options->subscriptions = parse_count(optarg, name); break;
    case 'C': options->cpu = parse_count(optarg, name); break;
    default: fputs(usage_text, stderr); exit(2);
    }
}

static struct options parse_options(int argc, char **argv) {
    struct options options = {
        .host = "127.0.0.1", .clients = 50,  .pipeline = 1,          .mix = "get", .keys = 100000,
        .value_size = 16,    .seconds = 0,   .requests = UINT64_MAX, .seed = 1,    .cpu = -1,
    };
    int letter, index = 0;
    while ((letter = getopt_long(argc, argv, "", long_options, &index)) != -1) {
        parse_option(&options, letter, long_options[index].name);
    }
    if (optind != argc || options.port < 1 || options.port > 65535) {
        fputs(usage_text, stderr);
        exit(2);
    }
    if (options.clients < 1 || options.pipeline < 1 || options.keys < 1) {
        die("--clients, --pipeline and --keys want at least 1");
    }
    if (options.requests == UINT64_MAX && options.seconds == 0) options.seconds = 1;
    return options;
}

// MARK: Time, chance and the server's CPU

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * nanoseconds_per_second + (uint64_t)time.tv_nsec;
}

/// A number below `limit` from a xorshift generator; plenty for spreading keys.
static uint64_t random_below(uint64_t *state, uint64_t limit) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint64_t)(((unsigned __int128)*state * limit) >> 64);
}

/// Nanoseconds that all threads of a process have run, and have waited for a core.
struct cpu_time {
    uint64_t ran;
    uint64_t waited;
};

static struct cpu_time cpu_time_of(int pid) {
    struct cpu_time sum = {0, 0};
    if (pid == 0) return sum;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL) die("no process %d", pid);
    int directory = dirfd(tasks);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        char name[sizeof entry->d_name + 16], text[128];
        snprintf(name, sizeof name, "%s/schedstat", entry->d_name);
        int file = openat(directory, name, O_RDONLY);
        if (file < 0) continue;
        ssize_t length = read(file, text, sizeof text - 1);
        close(file);
        if (length <= 0) continue;
        text[length] = '\0';
        char *rest;
        sum.ran += strtoull(text, &rest, 10);
        sum.waited += strtoull(rest, NULL, 10);
    }
    closedir(tasks);
    return sum;
}

static struct cpu_time cpu_time_since(struct cpu_time start, int pid) {
    struct cpu_time end = cpu_time_of(pid);
    // A thread that ended takes its time with it; never report that as an enormous number.
    return (struct cpu_time){
        end.ran > start.ran ? end.ran - start.ran : 0,
        end.waited > start.waited ? end.waited - start.waited : 0,
    };
}

// MARK: Latencies

/// Log-linear buckets as in HdrHistogram: 128 per power of two, so a value is kept to 0.8 %.
enum { bucket_bits = 7, bucket_count = (64 - bucket_bits + 1) << bucket_bits };

struct histogram {
    uint64_t counts[bucket_count];
    uint64_t total;
    uint64_t max;
};

static unsigned bucket_of(uint64_t value) {
    if (value < (1u << bucket_bits)) return (unsigned)value;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - bucket_bits;
    return ((shift + 1) << bucket_bits) + (unsigned)((value >> shift) - (1u << bucket_bits));
}

/// The largest value that falls into a bucket.
static uint64_t bucket_end(unsigned bucket) {
    if (bucket < (1u << bucket_bits)) return bucket;
    unsigned shift = (bucket >> bucket_bits) - 1;
    uint64_t mantissa = (bucket & ((1u << bucket_bits) - 1)) + (1u << bucket_bits);
    return ((mantissa + 1) << shift) - 1;
}

static void record(struct histogram *histogram, uint64_t value, uint64_t times) {
    histogram->counts[bucket_of(value)] += times;
    histogram->total += times;
    if (value > histogram->max) histogram->max = value;
}

static double percentile_us(const struct histogram *histogram, double fraction) {
    uint64_t wanted = (uint64_t)((double)histogram->total * fraction);
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < bucket_count; bucket++) {
        seen += histogram->counts[bucket];
        if (seen > wanted) {
            uint64_t end = bucket_end(bucket);
            return (double)(end < histogram->max ? end : histogram->max) / 1e3;
        }
    }
    return (double)histogram->max / 1e3;
}

static void print_latencies(const struct histogram *histogram) {
    printf("\"latency_us\":{\"p50\":%.2f,\"p99\":%.2f,\"p99_9\":%.2f,\"p99_99\":%.2f,\"max\":%.2f}",
           percentile_us(histogram, 0.5), percentile_us(histogram, 0.99),
           percentile_us(histogram, 0.999), percentile_us(histogram, 0.9999),
           (double)histogram->max / 1e3);
}

// MARK: Requests

/// The bytes of one request, and where the digits of its keys go.
struct request {
    char *bytes;
    size_t length;
    size_t key_at[keys_per_mset];
    int keys;
    int weight;
    /// More than one where a request is several commands.
    int replies;
};

/// What to send: commands with weights, and the order of the keys.
struct plan {
    struct request requests[max_commands];
    int count;
    int total_weight;
    int pipeline;
    bool sequential;
    uint64_t keys;
    uint64_t next_key;
    uint64_t random;
};

static void append(struct request *request, const void *bytes, size_t length) {
    request->bytes = realloc(request->bytes, request->length + length);
    if (request->bytes == NULL) die("out of memory");
    memcpy(request->bytes + request->length, bytes, length);
    request->length += length;
}

static void append_word(struct request *request, const void *bytes, size_t length) {
    char header[32];
    append(request, header, (size_t)snprintf(header, sizeof header, "$%zu\r\n", length));
    append(request, bytes, length);
    append(request, "\r\n", 2);
}

static void append_key(struct request *request) {
    append_word(request, "key:000000000000", key_length);
    request->key_at[request->keys++] = request->length - 2 - key_digits;
}

static void append_value(struct request *request, size_t size) {
    char *value = malloc(size + 1);
    if (value == NULL) die("out of memory");
    memset(value, 'x', size);
    append_word(request, value, size);
    free(value);
}

static void append_count(struct request *request, int words) {
    char header[16];
    append(request, header, (size_t)snprintf(header, sizeof header, "*%d\r\n", words));
}

static void append_number(struct request *request, uint64_t number) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    append_word(request, digits, (size_t)length);
}

static struct request make_set(const struct options *options, bool expires) {
    struct request request = {0};
    uint64_t deadline = options->expire_at != 0 ? options->expire_at : options->ttl;
    expires = expires && deadline != 0;
    append_count(&request, expires ? 5 : 3);
    append_word(&request, "SET", 3);
    append_key(&request);
    append_value(&request, options->value_size);
    if (expires) {
        const char *unit = options->expire_at != 0 ? "EXAT" : "EX";
        append_word(&request, unit, strlen(unit));
        append_number(&request, deadline);
    }
    return request;
}

static struct request make_mset(const struct options *options) {
    struct request request = {0};
    append_count(&request, 1 + 2 * keys_per_mset);
    append_word(&request, "MSET", 4);
    for (int i = 0; i < keys_per_mset; i++) {
        append_key(&request);
        append_value(&request, options->value_size);
    }
    return request;
}

static struct request make_request(const char *name, const struct options *options) {
    struct request request = {0};
    if (strcmp(name, "set") == 0) return make_set(options, false);
    if (strcmp(name, "mset") == 0) return make_mset(options);
    if (strcmp(name, "ping") == 0) {
        append_count(&request, 1);
        append_word(&request, "PING", 4);
    } else if (strcmp(name, "get") == 0) {
        append_count(&request, 2);
        append_word(&request, "GET", 3);
        append_key(&request);
    } else if (strcmp(name, "incr") == 0) {
        append_count(&request, 2);
        append_word(&request, "INCR", 4);
        append_key(&request);
    } else {
        die("unknown command '%s' in --mix", name);
    }
    return request;
}

/// Appends a command as it is typed, without quotes; every placeholder gets a number of its own.
static void append_command(struct request *request, char *text) {
    static const char placeholder[] = "__rand__";
    int words = 0;
    char *copy = strdup(text);
    for (char *rest = copy, *word; (word = strsep(&rest, " ")) != NULL;) words += *word != '\0';
    free(copy);
    append_count(request, words);
    for (char *rest = text, *word; (word = strsep(&rest, " ")) != NULL;) {
        if (*word == '\0') continue;
        char bytes[256];
        size_t length = 0, digits_at[keys_per_mset];
        int digits = 0;
        for (const char *c = word; *c != '\0';) {
            if (length + key_digits >= sizeof bytes) die("a word of --command is too long");
            if (strncmp(c, placeholder, sizeof placeholder - 1) != 0) {
                bytes[length++] = *c++;
                continue;
            }
            if (request->keys + digits == keys_per_mset) die("too many placeholders in --command");
            digits_at[digits++] = length;
            memset(bytes + length, '0', key_digits);
            length += key_digits;
            c += sizeof placeholder - 1;
        }
        append_word(request, bytes, length);
        for (int i = 0; i < digits; i++) {
            request->key_at[request->keys++] = request->length - 2 - length + digits_at[i];
        }
    }
}

/// One command, or several with semicolons between them.
static struct request make_command(const char *text) {
    struct request request = {0};
    char *copy = strdup(text);
    for (char *rest = copy, *command; (command = strsep(&rest, ";")) != NULL;) {
        append_command(&request, command);
        request.replies++;
    }
    free(copy);
    return request;
}

static void add_request(struct plan *plan, struct request request, int weight) {
    if (plan->count == max_commands) die("too many commands in --mix");
    request.weight = weight;
    if (request.replies == 0) request.replies = 1;
    plan->requests[plan->count++] = request;
    plan->total_weight += weight;
}

static struct plan make_plan(const struct options *options) {
    struct plan plan = {
        .pipeline = options->pipeline,
        .sequential = options->sequential,
        .keys = options->keys,
        .random = options->seed * 0x9E3779B97F4A7C15u + 1,
    };
    if (options->command != NULL) {
        add_request(&plan, make_command(options->command), 1);
        return plan;
    }
    char *mix = strdup(options->mix);
    for (char *rest = mix, *word; (word = strsep(&rest, ",")) != NULL;) {
        char *weight = strchr(word, '=');
        if (weight != NULL) *weight++ = '\0';
        add_request(&plan, make_request(word, options),
                    weight != NULL ? parse_count(weight, "mix") : 1);
    }
    free(mix);
    if (plan.total_weight < 1) die("--mix wants at least one command");
    return plan;
}

static struct plan make_fill_plan(const struct options *options) {
    struct plan plan = {.pipeline = fill_pipeline, .sequential = true, .keys = options->keys};
    add_request(&plan, make_set(options, true), 1);
    return plan;
}

static void free_plan(struct plan *plan) {
    for (int i = 0; i < plan->count; i++) free(plan->requests[i].bytes);
}

static size_t longest_request(const struct plan *plan) {
    size_t longest = 0;
    for (int i = 0; i < plan->count; i++) {
        if (plan->requests[i].length > longest) longest = plan->requests[i].length;
    }
    return longest;
}

static const struct request *choose_request(struct plan *plan) {
    if (plan->count == 1) return &plan->requests[0];
    int ticket = (int)random_below(&plan->random, (uint64_t)plan->total_weight);
    const struct request *request = plan->requests;
    while (ticket >= request->weight) ticket -= request++->weight;
    return request;
}

static uint64_t choose_key(struct plan *plan) {
    if (!plan->sequential) return random_below(&plan->random, plan->keys);
    uint64_t key = plan->next_key++;
    if (plan->next_key == plan->keys) plan->next_key = 0;
    return key;
}

static void write_key(char *digits, uint64_t key) {
    for (int i = key_digits - 1; i >= 0; i--) {
        digits[i] = (char)('0' + key % 10);
        key /= 10;
    }
}

/// Writes the plan's next request to `out`, adds the replies that it calls for, and returns where it
/// ends.
static char *write_request(struct plan *plan, char *out, int *replies) {
    const struct request *request = choose_request(plan);
    *replies += request->replies;
    memcpy(out, request->bytes, request->length);
    for (int i = 0; i < request->keys; i++) write_key(out + request->key_at[i], choose_key(plan));
    return out + request->length;
}

// MARK: Replies

/// Counts replies without keeping them. A reply may be cut anywhere between two reads; the fields
/// are what has to be remembered of its first half.
struct reply_counter {
    char kind;
    bool negative;
    uint64_t number;
    uint64_t body;
    /// Values that the reply lacks, but for the first one of the next reply.
    int64_t missing;
};

static uint64_t errors_seen;
static char first_error[128];

static void note_error_byte(char byte) {
    if (errors_seen > 1 || byte == '\r') return;
    size_t length = strlen(first_error);
    bool printable = byte >= ' ' && byte != '"' && byte != '\\';
    if (length + 1 < sizeof first_error) first_error[length] = printable ? byte : '?';
}

/// A value is there; true when it completes a reply.
static bool take_value(struct reply_counter *counter) {
    if (counter->missing == 0) return true;
    return --counter->missing == 0;
}

/// Takes one byte of a header line; true when it completes a reply.
static bool take_header_byte(struct reply_counter *counter, char byte) {
    if (counter->kind == 0) {
        counter->kind = byte;
        counter->negative = false;
        counter->number = 0;
        if (byte == '-') errors_seen++;
        if (strchr("+-:$*", byte) == NULL) die("unexpected reply of type '%c'", byte);
        return false;
    }
    if (byte != '\n') {
        if (counter->kind == '-') note_error_byte(byte);
        if (byte == '-') counter->negative = true;
        if (byte >= '0' && byte <= '9') {
            counter->number = counter->number * 10 + (uint64_t)(byte - '0');
        }
        return false;
    }
    bool has_body = counter->kind == '$' && !counter->negative;
    if (has_body) counter->body = counter->number + 2;
    bool has_elements = counter->kind == '*' && !counter->negative && counter->number > 0;
    counter->kind = 0;
    if (has_elements) {
        // The array itself was one of the values that were missing.
        counter->missing += (int64_t)counter->number - (counter->missing > 0);
        return false;
    }
    return !has_body && take_value(counter);
}

static int count_replies(struct reply_counter *counter, const char *bytes, size_t length) {
    int replies = 0;
    for (size_t i = 0; i < length;) {
        if (counter->body > 0) {
            size_t rest = length - i;
            size_t taken = rest < counter->body ? rest : counter->body;
            counter->body -= taken;
            i += taken;
            if (counter->body == 0) replies += take_value(counter);
        } else {
            replies += take_header_byte(counter, bytes[i++]);
        }
    }
    return replies;
}

// MARK: Connections

struct connection {
    int socket;
    bool listens;
    int outstanding;
    uint64_t sent_at;
    struct reply_counter counter;
    char *out;
    size_t out_length;
    size_t out_sent;
};

static int open_socket(const struct options *options) {
    int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket_ < 0) die("socket: %s", strerror(errno));
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((uint16_t)options->port);
    if (inet_pton(AF_INET, options->host, &address.sin_addr) != 1) die("bad --host");
    if (connect(socket_, (struct sockaddr *)&address, sizeof address) != 0) {
        die("connect to %s:%d: %s", options->host, options->port, strerror(errno));
    }
    int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(socket_, F_SETFL, O_NONBLOCK);
    return socket_;
}

struct driver {
    int epoll;
    int count;
    struct connection *connections;
    /// Connections that listen to the channel, and the length of each message that they get.
    int subscribers;
    struct connection *listeners;
    size_t message_length;
    /// Room for all that have nothing to do.
    struct connection **idle;
    char *input;
};

/// Level-triggered, and writable only while something waits to be sent: one epoll_ctl per
/// connection in the ordinary case, none per request.
static void watch(const struct driver *driver, struct connection *connection, int operation,
                  uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(driver->epoll, operation, connection->socket, &event) != 0) {
        die("epoll_ctl: %s", strerror(errno));
    }
}

static struct driver make_driver(const struct options *options) {
    struct driver driver = {
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .count = options->clients,
        .connections = calloc((size_t)options->clients, sizeof(struct connection)),
        .idle = calloc((size_t)options->clients, sizeof(struct connection *)),
        .input = malloc(read_size),
    };
    if (driver.epoll < 0) die("epoll_create1: %s", strerror(errno));
    if (driver.connections == NULL || driver.idle == NULL || driver.input == NULL) die("out of memory");
    for (int i = 0; i < driver.count; i++) {
        driver.connections[i].socket = open_socket(options);
        watch(&driver, &driver.connections[i], EPOLL_CTL_ADD, EPOLLIN);
    }
    return driver;
}

static void close_driver(struct driver *driver) {
    for (int i = 0; i < driver->count; i++) {
        close(driver->connections[i].socket);
        free(driver->connections[i].out);
    }
    for (int i = 0; i < driver->subscribers; i++) close(driver->listeners[i].socket);
    free(driver->listeners);
    close(driver->epoll);
    free(driver->connections);
    free(driver->idle);
    free(driver->input);
}

static void reserve_output(struct driver *driver, size_t size) {
    for (int i = 0; i < driver->count; i++) {
        char *out = realloc(driver->connections[i].out, size);
        if (out == NULL) die("out of memory");
        driver->connections[i].out = out;
    }
}

/// Sends what the socket takes. Returns false when bytes are left for later.
static bool send_output(struct connection *connection) {
    while (connection->out_sent < connection->out_length) {
        ssize_t sent = send(connection->socket, connection->out + connection->out_sent,
                            connection->out_length - connection->out_sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) return false;
        if (sent < 0) die("send: %s", strerror(errno));
        connection->out_sent += (size_t)sent;
    }
    return true;
}

// MARK: Listeners

/// Sends a request and waits for `replies`.
static void ask(struct connection *connection, const struct request *request, int replies) {
    connection->out = request->bytes;
    connection->out_length = request->length;
    connection->out_sent = 0;
    while (!send_output(connection)) {
    }
    connection->out = NULL;
    char input[4096];
    while (replies > 0) {
        ssize_t length = recv(connection->socket, input, sizeof input, 0);
        if (length < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (length <= 0) die("the server closed the connection");
        replies -= count_replies(&connection->counter, input, (size_t)length);
    }
}

static void add_listeners(struct driver *driver, const struct options *options) {
    driver->subscribers = options->subscribers;
    if (driver->subscribers == 0) return;
    driver->listeners = calloc((size_t)driver->subscribers, sizeof(struct connection));
    if (driver->listeners == NULL) die("out of memory");
    char value[32];
    int digits = snprintf(value, sizeof value, "%zu", options->value_size);
    driver->message_length = strlen("*3\r\n$7\r\nmessage\r\n$7\r\nchannel\r\n$\r\n\r\n") +
                             (size_t)digits + options->value_size;
    struct request request = make_command("SUBSCRIBE channel");
    for (int i = 0; i < driver->subscribers; i++) {
        struct connection *listener = &driver->listeners[i];
        listener->socket = open_socket(options);
        listener->listens = true;
        ask(listener, &request, 1);
        watch(driver, listener, EPOLL_CTL_ADD, EPOLLIN);
    }
    free(request.bytes);
}

// MARK: A run

/// One stretch of load: it ends when `remaining` requests are sent or the deadline has passed, and
/// every reply has come.
struct run {
    struct driver *driver;
    struct plan *plan;
    struct histogram *histogram;
    uint64_t remaining;
    uint64_t deadline;
    uint64_t completed;
    /// Bytes that listeners have got.
    uint64_t delivered;
    uint64_t now;
    int busy;
    /// Nanoseconds between batches, 0 for as fast as replies come; when the next one is due, and
    /// who may send it.
    double interval;
    double due;
    struct connection **idle;
    int idle_count;
};

/// Starts the next batch of a connection that owes nothing, as of the moment it was due.
static void issue(struct run *run, struct connection *connection, uint64_t due) {
    if (run->remaining == 0 || run->now >= run->deadline) return;
    uint64_t batch = (uint64_t)run->plan->pipeline;
    if (batch > run->remaining) batch = run->remaining;
    run->remaining -= batch;
    char *end = connection->out;
    connection->outstanding = 0;
    for (uint64_t i = 0; i < batch; i++) {
        end = write_request(run->plan, end, &connection->outstanding);
    }
    connection->out_length = (size_t)(end - connection->out);
    connection->out_sent = 0;
    connection->sent_at = due != 0 ? due : now_ns();
    run->busy++;
    if (!send_output(connection)) {
        watch(run->driver, connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    }
}

static void receive(struct run *run, struct connection *connection) {
    ssize_t length = recv(connection->socket, run->driver->input, read_size, 0);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (length <= 0) die("the server closed a connection");
    int replies = count_replies(&connection->counter, run->driver->input, (size_t)length);
    if (replies == 0) return;
    run->now = now_ns();
    record(run->histogram, run->now - connection->sent_at, (uint64_t)replies);
    run->completed += (uint64_t)replies;
    connection->outstanding -= replies;
    if (connection->outstanding < 0) die("more replies than requests");
    if (connection->outstanding > 0) return;
    run->busy--;
    if (run->interval > 0) {
        run->idle[run->idle_count++] = connection;
    } else {
        issue(run, connection, 0);
    }
}

/// Starts the batches that are due, as far as there are connections.
static void issue_due(struct run *run) {
    run->now = now_ns();
    while (run->idle_count > 0 && run->due <= (double)run->now) {
        issue(run, run->idle[--run->idle_count], (uint64_t)run->due);
        run->due += run->interval;
    }
}

static void listen_to(struct run *run, struct connection *connection) {
    ssize_t length = recv(connection->socket, run->driver->input, read_size, 0);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (length <= 0) die("the server closed a listener's connection");
    run->delivered += (uint64_t)length;
}

/// Whether listeners have yet to get what was published.
static bool is_listening(const struct run *run) {
    const struct driver *driver = run->driver;
    return run->delivered <
           run->completed * (uint64_t)driver->subscribers * driver->message_length;
}

static void handle_event(struct run *run, const struct epoll_event *event) {
    struct connection *connection = event->data.ptr;
    if (connection->listens) return listen_to(run, connection);
    if ((event->events & EPOLLOUT) != 0 && send_output(connection)) {
        watch(run->driver, connection, EPOLL_CTL_MOD, EPOLLIN);
    }
    if ((event->events & ~(uint32_t)EPOLLOUT) != 0) receive(run, connection);
}

/// Runs to the end, and returns the number of replies.
static uint64_t drive(struct driver *driver, struct plan *plan, struct histogram *histogram,
                      uint64_t requests, double seconds, uint64_t rate) {
    struct run run = {
        .driver = driver, .plan = plan, .histogram = histogram, .remaining = requests,
        .now = now_ns(),
    };
    run.deadline = seconds > 0 ? run.now + (uint64_t)(seconds * 1e9) : UINT64_MAX;
    reserve_output(driver, longest_request(plan) * (size_t)plan->pipeline);
    if (rate > 0) {
        run.interval = 1e9 * plan->pipeline / (double)rate;
        run.due = (double)run.now;
        run.idle = driver->idle;
        for (int i = 0; i < driver->count; i++) run.idle[run.idle_count++] = &driver->connections[i];
    } else {
        for (int i = 0; i < driver->count; i++) issue(&run, &driver->connections[i], 0);
    }
    struct epoll_event events[events_per_wait];
    while (run.busy > 0 || is_listening(&run) || (rate > 0 && run.remaining > 0 && run.now < run.deadline)) {
        // Whoever keeps a rate must not sleep past the next batch.
        if (rate > 0) issue_due(&run);
        int count = epoll_wait(driver->epoll, events, events_per_wait, rate > 0 ? 0 : -1);
        if (count < 0 && errno != EINTR) die("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < count; i++) handle_event(&run, &events[i]);
    }
    return run.completed / (uint64_t)plan->requests[0].replies;
}

static void fill(struct driver *driver, const struct options *options) {
    struct plan plan = make_fill_plan(options);
    struct histogram *ignored = calloc(1, sizeof *ignored);
    drive(driver, &plan, ignored, options->keys, 0, 0);
    free(ignored);
    free_plan(&plan);
}

static void print_run(const struct options *options, uint64_t completed, double seconds,
                      struct cpu_time cpu, const struct histogram *histogram) {
    printf("{\"requests\":%llu,\"seconds\":%.6f,\"per_second\":%.1f,\"errors\":%llu,",
           (unsigned long long)completed, seconds, (double)completed / seconds,
           (unsigned long long)errors_seen);
    printf("\"first_error\":\"%s\",", first_error);
    if (options->pid != 0 && completed > 0) {
        printf("\"server_cpu_seconds\":%.6f,\"server_cpu_us_per_request\":%.5f,",
               (double)cpu.ran / 1e9, (double)cpu.ran / 1e3 / (double)completed);
    }
    print_latencies(histogram);
    printf("}\n");
}

static void run_load(const struct options *options) {
    struct driver driver = make_driver(options);
    struct plan plan = make_plan(options);
    struct histogram *histogram = calloc(1, sizeof *histogram);
    if (histogram == NULL) die("out of memory");
    add_listeners(&driver, options);
    if (options->fill) fill(&driver, options);
    if (options->warmup > 0) drive(&driver, &plan, histogram, UINT64_MAX, options->warmup, 0);
    memset(histogram, 0, sizeof *histogram);

    struct cpu_time before = cpu_time_of(options->pid);
    uint64_t start = now_ns();
    uint64_t completed = drive(&driver, &plan, histogram, options->requests, options->seconds,
                               options->rate);
    double seconds = (double)(now_ns() - start) / 1e9;
    struct cpu_time cpu = cpu_time_since(before, options->pid);

    print_run(options, completed, seconds, cpu, histogram);
    close_driver(&driver);
    free_plan(&plan);
    free(histogram);
}

// MARK: Single requests

/// One request and its reply on one connection. It spins on the socket instead of sleeping, so
/// that waking up this process is not part of what is measured.
static uint64_t round_trip(struct connection *connection) {
    uint64_t start = now_ns();
    connection->out_sent = 0;
    while (!send_output(connection)) {
    }
    char input[512];
    for (;;) {
        ssize_t length = recv(connection->socket, input, sizeof input, 0);
        if (length < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (length <= 0) die("the server closed the connection");
        if (count_replies(&connection->counter, input, (size_t)length) > 0) break;
    }
    return now_ns() - start;
}

/// A slow round trip, and what the kernel says the server did at that time.
struct slow_request {
    uint64_t index;
    uint64_t round_trip;
    struct cpu_time server;
};

/// The slowest requests of a run.
///
/// A round trip on a shared machine also shows the scheduler. So the server's CPU time is read at
/// checkpoints and again after each slow request: what the server did not run, its code did not
/// cost. The figure is an upper bound, since it includes the requests since the checkpoint.
///
/// A machine that is itself a guest also loses time that the kernel books as the server's. Such
/// stalls come at random, while a table grows at the same key each time: the worst of each
/// thousandth of the requests is kept, so that several runs can be laid over each other.
struct watcher {
    int pid;
    uint64_t total;
    uint64_t threshold;
    struct cpu_time checkpoint;
    struct histogram histogram;
    uint64_t worst_work;
    struct slow_request slowest[slowest_kept];
    uint64_t worst_of_window[windows];
};

enum { requests_per_checkpoint = 32, settle_us = 200 };

static const uint64_t slow_threshold_ns = 250 * 1000;

static void keep_slowest(struct watcher *watcher, struct slow_request request) {
    int place = slowest_kept;
    while (place > 0 && watcher->slowest[place - 1].round_trip < request.round_trip) place--;
    if (place == slowest_kept) return;
    memmove(&watcher->slowest[place + 1], &watcher->slowest[place],
            (size_t)(slowest_kept - 1 - place) * sizeof request);
    watcher->slowest[place] = request;
}

/// Returns how long the server worked on a slow request, at most.
static uint64_t explain_slow_request(struct watcher *watcher, uint64_t index,
                                     uint64_t round_trip) {
    // The kernel books a thread's time when it leaves the core: let the server go to sleep first.
    if (watcher->pid != 0) usleep(settle_us);
    struct cpu_time server = cpu_time_since(watcher->checkpoint, watcher->pid);
    keep_slowest(watcher, (struct slow_request){index, round_trip, server});
    watcher->checkpoint = cpu_time_of(watcher->pid);
    return watcher->pid != 0 && server.ran < round_trip ? server.ran : round_trip;
}

static void observe(struct watcher *watcher, uint64_t index, uint64_t round_trip) {
    uint64_t work = round_trip;
    record(&watcher->histogram, round_trip, 1);
    if (round_trip >= watcher->threshold) {
        work = explain_slow_request(watcher, index, round_trip);
    } else if (index % requests_per_checkpoint == 0) {
        watcher->checkpoint = cpu_time_of(watcher->pid);
    }
    uint64_t *worst = &watcher->worst_of_window[index * windows / watcher->total];
    if (work > *worst) *worst = work;
    if (work > watcher->worst_work) watcher->worst_work = work;
}

static uint64_t count_over(const struct histogram *histogram, uint64_t limit) {
    uint64_t count = 0;
    for (unsigned bucket = bucket_of(limit) + 1; bucket < bucket_count; bucket++) {
        count += histogram->counts[bucket];
    }
    return count;
}

static void print_slowest(const struct watcher *watcher) {
    printf(",\"slowest\":[");
    for (int i = 0; i < slowest_kept && watcher->slowest[i].round_trip > 0; i++) {
        const struct slow_request *slow = &watcher->slowest[i];
        printf("%s{\"index\":%llu,\"round_trip_us\":%.2f", i > 0 ? "," : "",
               (unsigned long long)slow->index, (double)slow->round_trip / 1e3);
        if (watcher->pid != 0) {
            printf(",\"server_ran_us\":%.2f,\"server_waited_us\":%.2f",
                   (double)slow->server.ran / 1e3, (double)slow->server.waited / 1e3);
        }
        printf("}");
    }
    printf("]");
}

static void print_watcher(const struct watcher *watcher, double seconds) {
    const struct histogram *histogram = &watcher->histogram;
    printf("{\"requests\":%llu,\"seconds\":%.6f,\"errors\":%llu,\"first_error\":\"%s\",",
           (unsigned long long)histogram->total, seconds, (unsigned long long)errors_seen,
           first_error);
    printf("\"over_1ms\":%llu,\"over_2ms\":%llu,\"worst_work_us\":%.2f,",
           (unsigned long long)count_over(histogram, 1000000),
           (unsigned long long)count_over(histogram, 2000000), (double)watcher->worst_work / 1e3);
    print_latencies(histogram);
    print_slowest(watcher);
    printf(",\"worst_work_of_windows_us\":[");
    for (int i = 0; i < windows; i++) {
        printf("%s%.1f", i > 0 ? "," : "", (double)watcher->worst_of_window[i] / 1e3);
    }
    printf("]}\n");
}

/// `total` is at least the number of requests that will be observed.
static struct watcher *make_watcher(const struct options *options, uint64_t total) {
    struct watcher *watcher = calloc(1, sizeof *watcher);
    if (watcher == NULL) die("out of memory");
    watcher->pid = options->pid;
    watcher->total = total;
    watcher->threshold = slow_threshold_ns;
    watcher->checkpoint = cpu_time_of(options->pid);
    return watcher;
}

static void run_worst(const struct options *options) {
    struct connection connection = {.socket = open_socket(options)};
    struct request request = make_set(options, true);
    struct watcher *watcher = make_watcher(options, options->keys);
    connection.out = request.bytes;
    connection.out_length = request.length;
    uint64_t start = now_ns();
    for (uint64_t key = 0; key < options->keys; key++) {
        write_key(request.bytes + request.key_at[0], key);
        observe(watcher, key, round_trip(&connection));
    }
    print_watcher(watcher, (double)(now_ns() - start) / 1e9);
    close(connection.socket);
    free(request.bytes);
    free(watcher);
}

static void sleep_until(uint64_t moment) {
    struct timespec time = {
        .tv_sec = (time_t)(moment / nanoseconds_per_second),
        .tv_nsec = (long)(moment % nanoseconds_per_second),
    };
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) {
    }
}

static void run_pulse(const struct options *options) {
    struct connection connection = {.socket = open_socket(options)};
    struct request request = make_request("ping", options);
    uint64_t interval = options->pulse_us * 1000;
    uint64_t pulses = (uint64_t)(options->seconds * 1e9) / interval;
    struct watcher *watcher = make_watcher(options, pulses);
    connection.out = request.bytes;
    connection.out_length = request.length;
    uint64_t start = now_ns();
    for (uint64_t pulse = 0; pulse < pulses; pulse++) {
        // Pulses that fell into a slow round trip are left out; they would say the same again.
        uint64_t missed = (now_ns() - start) / interval;
        if (missed > pulse) pulse = missed;
        if (pulse >= pulses) break;
        sleep_until(start + pulse * interval);
        // Every pulse begins from its own checkpoint: the server may work between two of them.
        watcher->checkpoint = cpu_time_of(options->pid);
        observe(watcher, pulse, round_trip(&connection));
    }
    print_watcher(watcher, (double)(now_ns() - start) / 1e9);
    close(connection.socket);
    free(request.bytes);
    free(watcher);
}

// MARK: Idle connections

/// A request for channels that nobody else listens to.
static struct request make_subscription(const struct options *options, int client) {
    struct request request = {0};
    append_count(&request, 1 + options->subscriptions);
    append_word(&request, "SUBSCRIBE", 9);
    for (int i = 0; i < options->subscriptions; i++) {
        char name[32];
        int length = snprintf(name, sizeof name, "channel:%06d:%04d", client, i);
        append_word(&request, name, (size_t)length);
    }
    return request;
}

static void run_idle(const struct options *options) {
    struct request ping = make_request("ping", options);
    int *sockets = calloc((size_t)options->idle, sizeof *sockets);
    if (sockets == NULL) die("out of memory");
    for (int i = 0; i < options->idle; i++) {
        struct connection connection = {.socket = open_socket(options)};
        if (options->subscriptions == 0) {
            ask(&connection, &ping, 1);
        } else {
            struct request request = make_subscription(options, i);
            ask(&connection, &request, options->subscriptions);
            free(request.bytes);
        }
        sockets[i] = connection.socket;
    }
    printf("{\"idle\":%d,\"errors\":%llu,\"first_error\":\"%s\"}\n", options->idle,
           (unsigned long long)errors_seen, first_error);
    fflush(stdout);
    while (getchar() != EOF) {
    }
    for (int i = 0; i < options->idle; i++) close(sockets[i]);
    free(sockets);
    free(ping.bytes);
}

// MARK: Start

static void pin_to_cpu(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) die("--cpu %d: %s", cpu, strerror(errno));
}

static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
    struct options options = parse_options(argc, argv);
    if (options.cpu >= 0) pin_to_cpu(options.cpu);
    raise_file_limit();
    if (options.idle > 0) {
        run_idle(&options);
    } else if (options.worst) {
        run_worst(&options);
    } else if (options.pulse_us > 0) {
        run_pulse(&options);
    } else {
        run_load(&options);
    }
    return 0;
}

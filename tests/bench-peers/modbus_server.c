/* A Modbus TCP server that is never the bottleneck: one thread, registers in memory, no frame copied twice.
 *
 *   modbus_server FIRST_PORT LINES
 *     one listener a line (ports FIRST_PORT..FIRST_PORT+LINES-1 on loopback); every unit id has the holding
 *     registers 0..15. Reads of them (function 3) are answered, everything else is refused.
 *
 * Standard input takes changes, one a line: LINE UNIT REGISTER VALUE, each from 0; at its end the server ends too. A
 * line "?" has it print one line of JSON: requests answered so far, and the CPU seconds of this process (user + system).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINES_MAX = 64, UNITS = 256, REGISTERS = 16, REQUEST = 12, BUFFER = 4096, EVENTS = 64, DESCRIPTORS = 1024 };

static uint16_t registers[LINES_MAX][UNITS][REGISTERS];

/* What a descriptor is: a line's listener, a line's connection, or standard input. */
static struct descriptor {
    int line;
    int listens;
    size_t have;
    uint8_t bytes[BUFFER];
} descriptors[DESCRIPTORS];

static uint64_t answered;

static void fail(const char *doing)
{
    fprintf(stderr, "modbus_server: %s: %s\n", doing, strerror(errno));
    exit(1);
}

static unsigned word(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

/* Answers one request; returns the length of the answer. */
static size_t answer(int line, const uint8_t *request, uint8_t *reply)
{
    unsigned address = word(request + 8), count = word(request + 10);
    memcpy(reply, request, 8);
    if (request[7] != 3 || count == 0 || address + count > REGISTERS) {
        reply[4] = 0, reply[5] = 3, reply[7] |= 0x80, reply[8] = 2;
        return 9;
    }
    reply[4] = 0, reply[5] = (uint8_t)(3 + 2 * count), reply[8] = (uint8_t)(2 * count);
    for (unsigned i = 0; i < count; i++) {
        uint16_t value = registers[line][request[6]][address + i];
        reply[9 + 2 * i] = (uint8_t)(value >> 8), reply[10 + 2 * i] = (uint8_t)value;
    }
    answered++;
    return 9 + 2 * (size_t)count;
}

/* Everything that came is answered with one write. */
static void serve(int fd, struct descriptor *connection)
{
    uint8_t replies[BUFFER];
    size_t at = 0, length = 0;
    ssize_t n = read(fd, connection->bytes + connection->have, BUFFER - connection->have);
    if (n <= 0) {
        close(fd);
        return;
    }
    connection->have += (size_t)n;
    while (connection->have - at >= REQUEST && length + 9 + 2 * REGISTERS <= BUFFER) {
        length += answer(connection->line, connection->bytes + at, replies + length);
        at += REQUEST;
    }
    memmove(connection->bytes, connection->bytes + at, connection->have - at);
    connection->have -= at;
    if (length > 0 && write(fd, replies, length) != (ssize_t)length)
        close(fd);
}

static void watch(int poller, int fd, int line, int listens)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= DESCRIPTORS) {
        close(fd);
        return;
    }
    descriptors[fd].line = line, descriptors[fd].listens = listens, descriptors[fd].have = 0;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("watching a descriptor");
}

static void listen_on(int poller, int port, int line)
{
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 8) != 0)
        fail("listening");
    watch(poller, fd, line, 1);
}

static void admit(int poller, int listener)
{
    int yes = 1, fd = accept(listener, NULL, NULL);
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    watch(poller, fd, descriptors[listener].line, 0);
}

static void report(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    double cpu = (double)use.ru_utime.tv_sec + (double)use.ru_stime.tv_sec +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    printf("{\"answered\":%" PRIu64 ",\"cpu_s\":%.4f}\n", answered, cpu);
    fflush(stdout);
}

static void obey(const char *words)
{
    unsigned line, unit, number, value;
    if (words[0] == '?') {
        report();
    } else if (sscanf(words, "%u %u %u %u", &line, &unit, &number, &value) == 4 && line < LINES_MAX &&
               unit < UNITS && number < REGISTERS) {
        registers[line][unit][number] = (uint16_t)value;
    } else {
        fprintf(stderr, "modbus_server: a change is LINE UNIT REGISTER VALUE, not %.40s\n", words);
        exit(2);
    }
}

/* Returns 0 at the end of standard input. */
static int change(void)
{
    struct descriptor *input = &descriptors[STDIN_FILENO];
    ssize_t n = read(STDIN_FILENO, input->bytes + input->have, BUFFER - 1 - input->have);
    if (n <= 0)
        return 0;
    input->have += (size_t)n;
    input->bytes[input->have] = 0;
    char *at = (char *)input->bytes, *end;
    while ((end = strchr(at, '\n')) != NULL) {
        obey(at);
        at = end + 1;
    }
    input->have -= (size_t)(at - (char *)input->bytes);
    memmove(input->bytes, at, input->have);
    return 1;
}

static int number(const char *text, const char *name, int low, int high)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < low || value > high) {
        fprintf(stderr, "modbus_server: %s must be %d to %d, not %s\n", name, low, high, text);
        exit(2);
    }
    return (int)value;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "modbus_server FIRST_PORT LINES\n");
        return 2;
    }
    int first_port = number(argv[1], "FIRST_PORT", 1, 65535), lines = number(argv[2], "LINES", 1, LINES_MAX);
    int poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0)
        fail("making a poller");
    watch(poller, STDIN_FILENO, 0, 0);
    for (int line = 0; line < lines; line++)
        listen_on(poller, first_port + line, line);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(poller, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            fail("waiting");
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == STDIN_FILENO) {
                if (!change())
                    return 0;
            } else if (descriptors[fd].listens) {
                admit(poller, fd);
            } else {
                serve(fd, &descriptors[fd]);
            }
        }
    }
}

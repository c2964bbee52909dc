/* The bare minimum that reads the same registers: a libmodbus loop without any gateway around it.
 *
 *   libmodbus_loop rtu PATH BAUD UNITS COUNT TIMEOUT_MS SECONDS
 *     asks units 1..UNITS for COUNT holding registers each, over and over.
 *   libmodbus_loop tcp FIRST_PORT LINES UNITS COUNT PERIOD_MS SECONDS
 *     one thread and one connection a line (ports FIRST_PORT..FIRST_PORT+LINES-1 on loopback), each
 *     asks its units 1..UNITS once a period; 0 is without a pause.
 *
 * Prints one line of JSON: requests answered and failed, whole cycles, and the CPU seconds of this
 * process (user + system).
 */
#include <errno.h>
#include <inttypes.h>
#include <modbus/modbus.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { LINES_MAX = 64, REGISTERS_MAX = 125 };

struct line {
    modbus_t *modbus;
    int units, count;
    int64_t period_us, end_us;
    uint64_t answered, failed, cycles;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void wait_until_us(int64_t at)
{
    struct timespec t = {at / 1000000, (at % 1000000) * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

static void fail(const char *doing)
{
    fprintf(stderr, "libmodbus_loop: %s: %s\n", doing, modbus_strerror(errno));
    exit(1);
}

/* period_us 0: without a pause. */
static void *poll_line(void *argument)
{
    struct line *line = argument;
    uint16_t registers[REGISTERS_MAX];
    int64_t next = now_us();
    while (now_us() < line->end_us) {
        for (int unit = 1; unit <= line->units; unit++) {
            modbus_set_slave(line->modbus, unit);
            if (modbus_read_registers(line->modbus, 0, line->count, registers) == line->count)
                line->answered++;
            else
                line->failed++;
        }
        line->cycles++;
        if (line->period_us > 0) {
            next += line->period_us;
            wait_until_us(next);
        }
    }
    return NULL;
}

static void report(const struct line *lines, int n, int64_t began_us)
{
    uint64_t answered = 0, failed = 0, cycles = 0;
    struct rusage use;
    for (int i = 0; i < n; i++) {
        answered += lines[i].answered;
        failed += lines[i].failed;
        cycles += lines[i].cycles;
    }
    getrusage(RUSAGE_SELF, &use);
    double cpu = (double)use.ru_utime.tv_sec + (double)use.ru_stime.tv_sec +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    printf("{\"answered\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"cycles\":%" PRIu64
           ",\"seconds\":%.3f,\"cpu_s\":%.4f,\"resident_kib\":%ld}\n",
           answered, failed, cycles, (double)(now_us() - began_us) / 1e6, cpu, use.ru_maxrss);
}

static int number(const char *text, const char *name, int low, int high)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < low || value > high) {
        fprintf(stderr, "libmodbus_loop: %s must be %d to %d, not %s\n", name, low, high, text);
        exit(2);
    }
    return (int)value;
}

static int run_rtu(char **argv)
{
    struct line line = {0};
    line.modbus = modbus_new_rtu(argv[2], number(argv[3], "BAUD", 300, 1000000), 'N', 8, 1);
    if (!line.modbus)
        fail("making an RTU context");
    line.units = number(argv[4], "UNITS", 1, 247);
    line.count = number(argv[5], "COUNT", 1, REGISTERS_MAX);
    modbus_set_response_timeout(line.modbus, 0, (uint32_t)number(argv[6], "TIMEOUT_MS", 1, 999) * 1000);
    int seconds = number(argv[7], "SECONDS", 1, 3600);
    if (modbus_connect(line.modbus) != 0)
        fail("opening the serial line");
    int64_t began = now_us();
    line.end_us = began + (int64_t)seconds * 1000000;
    poll_line(&line);
    report(&line, 1, began);
    modbus_close(line.modbus);
    modbus_free(line.modbus);
    return 0;
}

static int run_tcp(char **argv)
{
    static struct line lines[LINES_MAX];
    pthread_t threads[LINES_MAX];
    int first_port = number(argv[2], "FIRST_PORT", 1, 65535);
    int n = number(argv[3], "LINES", 1, LINES_MAX);
    int units = number(argv[4], "UNITS", 1, 247);
    int count = number(argv[5], "COUNT", 1, REGISTERS_MAX);
    int period_ms = number(argv[6], "PERIOD_MS", 0, 60000);
    int seconds = number(argv[7], "SECONDS", 1, 3600);
    int64_t began = now_us();
    for (int i = 0; i < n; i++) {
        lines[i].modbus = modbus_new_tcp("127.0.0.1", first_port + i);
        if (!lines[i].modbus || modbus_connect(lines[i].modbus) != 0)
            fail("connecting");
        lines[i].units = units;
        lines[i].count = count;
        lines[i].period_us = (int64_t)period_ms * 1000;
        lines[i].end_us = began + (int64_t)seconds * 1000000;
    }
    for (int i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, poll_line, &lines[i]) != 0)
            fail("starting a thread");
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    report(lines, n, began);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 8 && strcmp(argv[1], "rtu") == 0)
        return run_rtu(argv);
    if (argc == 8 && strcmp(argv[1], "tcp") == 0)
        return run_tcp(argv);
    fprintf(stderr, "libmodbus_loop rtu PATH BAUD UNITS COUNT TIMEOUT_MS SECONDS\n"
                    "libmodbus_loop tcp FIRST_PORT LINES UNITS COUNT PERIOD_MS SECONDS\n");
    return 2;
}

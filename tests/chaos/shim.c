/* A disk and a clock that misbehave on demand: preloaded into a program under test.
 *
 * CHAOS_SHIM names a file of 24 bytes that the harness writes and this library maps. Only files whose name
 * has ".db" in it are touched (the store and its log), and only the wall clock is shifted. Without the
 * variable everything goes through unchanged. Dynamic glibc only.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Written by tests/chaos/shim.rs. */
struct control {
    int32_t write_error; /* errno of a write; 0: none */
    int32_t sync_error;  /* errno of a flush; 0: none */
    int32_t sync_ms;     /* how much longer a flush takes */
    int32_t every;       /* one write or flush in so many fails; 0 counts as 1 */
    int64_t clock_s;     /* added to the wall clock */
};

static const volatile struct control *control;
static atomic_uint calls;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CHAOS_SHIM");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) {
        return;
    }
    void *map = mmap(NULL, sizeof(struct control), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (map != MAP_FAILED) {
        control = map;
    }
}

static int is_store(int file) {
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) {
        return 0;
    }
    path[length] = 0;
    return strstr(path, ".db") != NULL;
}

static int is_hit(void) {
    unsigned every = control->every > 1 ? (unsigned)control->every : 1;
    return atomic_fetch_add(&calls, 1) % every == every - 1;
}

static int write_fails(int file) {
    if (!control || !control->write_error || !is_store(file) || !is_hit()) {
        return 0;
    }
    errno = control->write_error;
    return 1;
}

static int sync_fails(int file) {
    if (!control || !(control->sync_error || control->sync_ms) || !is_store(file)) {
        return 0;
    }
    if (control->sync_ms) {
        struct timespec wait = {control->sync_ms / 1000, control->sync_ms % 1000 * 1000000L};
        nanosleep(&wait, NULL);
    }
    if (!control->sync_error || !is_hit()) {
        return 0;
    }
    errno = control->sync_error;
    return 1;
}

ssize_t write(int file, const void *bytes, size_t count) {
    return write_fails(file) ? -1 : syscall(SYS_write, file, bytes, count);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    return write_fails(file) ? -1 : syscall(SYS_pwrite64, file, bytes, count, at);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    return pwrite64(file, bytes, count, at);
}

int fsync(int file) {
    return sync_fails(file) ? -1 : (int)syscall(SYS_fsync, file);
}

int fdatasync(int file) {
    return sync_fails(file) ? -1 : (int)syscall(SYS_fdatasync, file);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*theirs)(clockid_t, struct timespec *);
    if (!theirs) {
        *(void **)&theirs = dlsym(RTLD_NEXT, "clock_gettime");
    }
    int result = theirs(clock, time);
    if (result == 0 && clock == CLOCK_REALTIME && control) {
        time->tv_sec += control->clock_s;
    }
    return result;
}

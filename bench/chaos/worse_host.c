/* LD_PRELOAD shim that makes a server's host worse while the server runs:
 *   SLOW_FSYNC_FILE   every fdatasync and fsync sleeps as many milliseconds as this file says (no file: none)
 *   CLOCK_FILE        the clock is as many seconds ahead as this file says (looked at ten times a second) */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static int real_clock(clockid_t id, struct timespec *at) {
    int (*real)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    return real(id, at);
}

static long ahead(void) {
    static long last = 0, looked = -1;
    struct timespec now;
    real_clock(CLOCK_MONOTONIC, &now);
    long tenth = now.tv_sec * 10 + now.tv_nsec / 100000000L;
    if (tenth != looked) {
        const char *path = getenv("CLOCK_FILE");
        FILE *file = path ? fopen(path, "r") : NULL;
        looked = tenth;
        if (file) {
            if (fscanf(file, "%ld", &last) != 1)
                last = 0;
            fclose(file);
        }
    }
    return last;
}

int clock_gettime(clockid_t id, struct timespec *at) {
    int done = real_clock(id, at);
    if (!done && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        at->tv_sec += ahead();
    return done;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now))
        return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

static void drag(void) {
    const char *path = getenv("SLOW_FSYNC_FILE");
    FILE *file = path ? fopen(path, "r") : NULL;
    int ms = 0;
    if (!file)
        return;
    if (fscanf(file, "%d", &ms) == 1 && ms > 0) {
        struct timespec rest = {ms / 1000, (ms % 1000) * 1000000L};
        nanosleep(&rest, NULL);
    }
    fclose(file);
}

int fdatasync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    drag();
    return real(fd);
}

int fsync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    drag();
    return real(fd);
}

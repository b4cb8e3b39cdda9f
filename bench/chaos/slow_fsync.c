/* LD_PRELOAD shim: every fdatasync and fsync sleeps as many milliseconds as the file named by
 * SLOW_FSYNC_FILE says (no file: none). So a disk can be made slow and quick again while the server runs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

/* Lets a sync fail once, on demand.
 *
 * Preloaded into the daemon. While the file named by GURNEY_EIO_TRIGGER exists, the next fsync or fdatasync of a file whose path
 * holds GURNEY_EIO_PATH removes the trigger, syncs nothing and fails with EIO. That is what Linux does after a failed write-back:
 * the error is told once, and a second sync would lie.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_to_fail(int fd)
{
    const char *trigger = getenv("GURNEY_EIO_TRIGGER");
    const char *wanted = getenv("GURNEY_EIO_PATH");
    char link[64], path[4096];
    ssize_t length;

    if (!trigger || !wanted || access(trigger, F_OK) != 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = '\0';
    /* Two threads may get here; only one of them removes the trigger. */
    return strstr(path, wanted) && unlink(trigger) == 0;
}

static int sync_or_fail(int fd, const char *name)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);

    if (is_to_fail(fd)) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}

int fsync(int fd)
{
    return sync_or_fail(fd, "fsync");
}

int fdatasync(int fd)
{
    return sync_or_fail(fd, "fdatasync");
}

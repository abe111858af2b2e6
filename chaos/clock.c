/* A wall clock that goes wrong: loaded before libc, it adds the milliseconds that the file named by CHAOS_CLOCK holds
   to what the processes see of CLOCK_REALTIME. The monotonic clock, by which they wait, is left alone, as it is when a
   machine's clock is stepped. (libfaketime 0.9.10 refuses sleeps until a monotonic time when it leaves that clock be.) */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long ahead(void) {
    static const volatile long *shown;
    if (!shown) {
        const char *name = getenv("CHAOS_CLOCK");
        int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
        if (file < 0) return 0;
        void *page = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
        close(file);
        if (page == MAP_FAILED) return 0;
        shown = page;
    }
    return *shown;
}

int clock_gettime(clockid_t id, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, id, now);
    if (failed || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) return failed;
    long nanoseconds = now->tv_nsec + ahead() % 1000 * 1000000;
    now->tv_sec += ahead() / 1000 + (nanoseconds < 0 ? -1 : nanoseconds >= 1000000000 ? 1 : 0);
    now->tv_nsec = nanoseconds < 0 ? nanoseconds + 1000000000 : nanoseconds % 1000000000;
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise)) return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now)) return (time_t)-1;
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}

/* How do a few threads share a piece of work that takes microseconds?
 *
 * Pieces are taken one by one, so that a thread which the system has put aside holds up nothing but the piece
 * it was at. Workers look for work for a moment before they sleep, since the next call is a few microseconds
 * away while a forward runs. Where a worker keeps its caller waiting for longer than all the work before took,
 * somebody else needs the cores: the next calls then run on the caller alone.
 */
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

enum { MOST_WORKERS = 63, LOOKS = 8000, SHORTEST_HOLDUP_NS = 1000000, CALLS_ALONE = 300 };

static struct {
    pthread_mutex_t entrance; /* held by the one thread whose work is shared */
    pthread_mutex_t bed;
    pthread_cond_t alarm;
    atomic_int sleeping, inside, num_workers;
    atomic_bool open;
    atomic_uint round;
    atomic_llong next;
    void (*work)(void *, int64_t);
    void *context;
    int64_t count;
    int calls_alone;
} pool = {.entrance = PTHREAD_MUTEX_INITIALIZER, .bed = PTHREAD_MUTEX_INITIALIZER, .alarm = PTHREAD_COND_INITIALIZER};

static inline void rest(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void take_pieces(void) {
    for (;;) {
        int64_t piece = atomic_fetch_add(&pool.next, 1);
        if (piece >= pool.count)
            return;
        pool.work(pool.context, piece);
    }
}

static unsigned wait_for_round_after(unsigned seen) {
    for (int look = 0; look < LOOKS; look++) {
        if (atomic_load(&pool.round) != seen)
            return atomic_load(&pool.round);
        rest();
    }
    pthread_mutex_lock(&pool.bed);
    atomic_fetch_add(&pool.sleeping, 1);
    while (atomic_load(&pool.round) == seen)
        pthread_cond_wait(&pool.alarm, &pool.bed);
    atomic_fetch_sub(&pool.sleeping, 1);
    pthread_mutex_unlock(&pool.bed);
    return atomic_load(&pool.round);
}

static void *serve(void *unused) {
    (void)unused;
    unsigned seen = 0;
    for (;;) {
        seen = wait_for_round_after(seen);
        /* Who is inside before the caller closes is waited for; who comes later finds it closed. */
        atomic_fetch_add(&pool.inside, 1);
        if (atomic_load(&pool.open))
            take_pieces();
        atomic_fetch_sub(&pool.inside, 1);
    }
    return NULL;
}

static void forget_workers(void) {
    /* A forked child has only the thread that forked. */
    pthread_mutex_init(&pool.entrance, NULL);
    pthread_mutex_init(&pool.bed, NULL);
    pthread_cond_init(&pool.alarm, NULL);
    atomic_store(&pool.num_workers, 0);
    atomic_store(&pool.sleeping, 0);
    atomic_store(&pool.inside, 0);
    atomic_store(&pool.open, false);
}

static void hire(int wanted) {
    static bool is_prepared;
    if (!is_prepared) {
        is_prepared = true;
        pthread_atfork(NULL, NULL, forget_workers);
    }
    while (atomic_load(&pool.num_workers) < wanted) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, NULL))
            return;
        pthread_detach(thread);
        atomic_fetch_add(&pool.num_workers, 1);
    }
}

static void open_round(void) {
    atomic_store(&pool.next, 0);
    atomic_store(&pool.open, true);
    atomic_fetch_add(&pool.round, 1);
    if (atomic_load(&pool.sleeping)) {
        pthread_mutex_lock(&pool.bed);
        pthread_cond_broadcast(&pool.alarm);
        pthread_mutex_unlock(&pool.bed);
    }
}

static int64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void close_round(int64_t started) {
    atomic_store(&pool.open, false);
    for (int look = 0; look < LOOKS && atomic_load(&pool.inside); look++)
        rest();
    if (!atomic_load(&pool.inside))
        return;
    int64_t waiting = nanoseconds();
    while (atomic_load(&pool.inside))
        sched_yield();
    int64_t waited = nanoseconds() - waiting;
    if (waited > SHORTEST_HOLDUP_NS && waited > waiting - started)
        pool.calls_alone = CALLS_ALONE;
}

void in_parallel(void (*work)(void *, int64_t), void *context, int64_t count, int64_t num_threads) {
    bool shares = num_threads > 1 && count > 1 && !pthread_mutex_trylock(&pool.entrance);
    if (shares && pool.calls_alone > 0) {
        pool.calls_alone--;
        pthread_mutex_unlock(&pool.entrance);
        shares = false;
    }
    if (!shares) {
        for (int64_t piece = 0; piece < count; piece++)
            work(context, piece);
        return;
    }
    hire(num_threads - 1 < MOST_WORKERS ? (int)num_threads - 1 : MOST_WORKERS);
    pool.work = work;
    pool.context = context;
    pool.count = count;
    int64_t started = nanoseconds();
    open_round();
    take_pieces();
    close_round(started);
    pthread_mutex_unlock(&pool.entrance);
}

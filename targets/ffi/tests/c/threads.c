/* Eight threads, each with its own session, over one case: all give the scores of the main thread. Then eight over one
 * session: each call gives a verdict or says TC_BUSY. Usage: threads CASE TEXTS ROUNDS */
#include <pthread.h>

#include "check.h"

#define THREADS 8
#define MAX_TEXTS 256

static tc_case *handle;
static file texts;
static int rounds;
static int64_t expected[MAX_TEXTS];
static tc_session *shared_session;

/* The scores of all texts in a row, each as one number. */
static int all_texts(tc_session *session, int64_t *sums, int busy_is_fine) {
    const char *text;
    size_t at = 0, len;
    int count = 0;
    while (next_text(&texts, &at, &text, &len) && count < MAX_TEXTS) {
        tc_verdict verdict;
        tc_status status;
        uint32_t index;
        verdict.size = sizeof verdict;
        status = tc_classify(session, text, len, &verdict);
        if (status != TC_OK && !(busy_is_fine && status == TC_BUSY)) {
            return -1;
        }
        sums[count] = 0;
        for (index = 0; !busy_is_fine && index < verdict.score_count; index++) {
            sums[count] = sums[count] * 31 + verdict.scores[index] % 65536;
            sums[count] %= 1000000007;
        }
        count++;
    }
    return count;
}

static void *own_session(void *wrong) {
    int64_t sums[MAX_TEXTS];
    int round;
    for (round = 0; round < rounds; round++) {
        tc_session *session = NULL;
        int count;
        if (tc_session_new(handle, &session) != TC_OK) {
            *(int *)wrong += 1;
            continue;
        }
        count = all_texts(session, sums, 0);
        if (count < 0 || memcmp(sums, expected, (size_t)count * sizeof sums[0]) != 0) {
            *(int *)wrong += 1;
        }
        if (tc_session_verify(session, NULL) != TC_OK || tc_session_close(&session) != TC_OK) {
            *(int *)wrong += 1;
        }
    }
    return NULL;
}

static void *one_session(void *wrong) {
    int64_t sums[MAX_TEXTS];
    int round;
    for (round = 0; round < rounds; round++) {
        *(int *)wrong += all_texts(shared_session, sums, 1) < 0;
    }
    return NULL;
}

static void eight(void *(*work)(void *)) {
    pthread_t threads[THREADS];
    int wrong[THREADS];
    int index;
    memset(wrong, 0, sizeof wrong);
    for (index = 0; index < THREADS; index++) {
        NEEDS(pthread_create(&threads[index], NULL, work, &wrong[index]) == 0);
    }
    for (index = 0; index < THREADS; index++) {
        NEEDS(pthread_join(threads[index], NULL) == 0);
        HOLDS(wrong[index] == 0);
    }
}

int main(int count, char **words) {
    NEEDS(count == 4);
    texts = read_file(words[2]);
    rounds = atoi(words[3]);
    EXPECT(TC_OK, tc_case_open(words[1], strlen(words[1]), NULL, &handle, NULL));
    EXPECT(TC_OK, tc_session_new(handle, &shared_session));
    HOLDS(all_texts(shared_session, expected, 0) > 0);
    eight(own_session);
    eight(one_session);
    /* Nobody holds it any more. */
    EXPECT(TC_OK, tc_session_verify(shared_session, NULL));
    EXPECT(TC_OK, tc_session_close(&shared_session));
    EXPECT(TC_OK, tc_case_close(&handle));
    free(texts.bytes);
    return failures != 0;
}

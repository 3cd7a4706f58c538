/* tc_classify and tc_session_verify take no memory, and closing gives all of it back. Linked with the static library
 * and -Wl,--wrap for each function below. Usage: allocation CASE TEXTS */
#include "check.h"

#ifdef __cplusplus
extern "C" {
#endif

static long taken = 0, given = 0;

void *__real_malloc(size_t len);
void *__real_calloc(size_t count, size_t len);
void *__real_realloc(void *old, size_t len);
int __real_posix_memalign(void **out, size_t align, size_t len);
void *__real_aligned_alloc(size_t align, size_t len);
void __real_free(void *old);

void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__wrap_realloc(void *old, size_t len);
int __wrap_posix_memalign(void **out, size_t align, size_t len);
void *__wrap_aligned_alloc(size_t align, size_t len);
void __wrap_free(void *old);

void *__wrap_malloc(size_t len) {
    taken++;
    return __real_malloc(len);
}

void *__wrap_calloc(size_t count, size_t len) {
    taken++;
    return __real_calloc(count, len);
}

void *__wrap_realloc(void *old, size_t len) {
    taken++;
    given += old != NULL;
    return __real_realloc(old, len);
}

int __wrap_posix_memalign(void **out, size_t align, size_t len) {
    taken++;
    return __real_posix_memalign(out, align, len);
}

void *__wrap_aligned_alloc(size_t align, size_t len) {
    taken++;
    return __real_aligned_alloc(align, len);
}

void __wrap_free(void *old) {
    given += old != NULL;
    __real_free(old);
}

#ifdef __cplusplus
}
#endif

int main(int count, char **words) {
    tc_case *handle = NULL;
    tc_session *session = NULL;
    file texts;
    const char *text;
    size_t at = 0, len;
    long before, opened;
    NEEDS(count == 3);
    texts = read_file(words[2]);
    before = taken - given;
    EXPECT(TC_OK, tc_case_open(words[1], strlen(words[1]), NULL, &handle, NULL));
    EXPECT(TC_OK, tc_session_new(handle, &session));
    opened = taken;
    HOLDS(opened - given > before);
    while (next_text(&texts, &at, &text, &len)) {
        tc_verdict verdict;
        verdict.size = sizeof verdict;
        EXPECT(TC_OK, tc_classify(session, text, len, &verdict));
    }
    EXPECT(TC_OK, tc_session_verify(session, NULL));
    EXPECT(TC_NULL, tc_classify(session, NULL, 1, NULL));
    HOLDS(taken == opened);
    EXPECT(TC_OK, tc_case_close(&handle));
    EXPECT(TC_OK, tc_session_close(&session));
    HOLDS(taken - given == before);
    free(texts.bytes);
    return failures != 0;
}

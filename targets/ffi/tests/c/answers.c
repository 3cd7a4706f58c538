/* Opens a case from a file and from memory, and prints one line for all that it says of itself and one for each text:
 * the Rust side compares them with the face. Usage: answers CASE TEXTS */
#include "check.h"

static uint32_t bits(float value) {
    uint32_t pattern;
    memcpy(&pattern, &value, sizeof pattern);
    return pattern;
}

static void describe(const tc_case *handle) {
    const char *text = NULL;
    size_t len = 0, scratch = 0, needed = 0;
    uint32_t count = 0, index;
    uint8_t digest[TC_DIGEST_BYTES];
    char report[512];
    EXPECT(TC_OK, tc_case_name(handle, &text, &len));
    HOLDS(text != NULL && strlen(text) == len);
    EXPECT(TC_OK, tc_case_scratch_bytes(handle, &scratch));
    EXPECT(TC_OK, tc_case_digest(handle, digest));
    printf("name=%s scratch=%lu digest=", text, (unsigned long)scratch);
    for (index = 0; index < TC_DIGEST_BYTES; index++) {
        printf("%02x", digest[index]);
    }
    EXPECT(TC_OK, tc_case_label_count(handle, &count));
    for (index = 0; index < count; index++) {
        EXPECT(TC_OK, tc_case_label(handle, index, &text, &len));
        HOLDS(text != NULL && strlen(text) == len);
        printf(" [%s]", text);
    }
    EXPECT(TC_OK, tc_case_report(handle, report, sizeof report, &needed));
    HOLDS(strlen(report) + 1 == needed);
    printf(" %s", report);
}

static void classify_all(const tc_case *handle, const file *texts) {
    tc_session *session = NULL;
    tc_error error;
    const char *text;
    size_t at = 0, len;
    EXPECT(TC_OK, tc_session_new(handle, &session));
    EXPECT(TC_OK, tc_session_verify(session, &error));
    HOLDS(error.code == 0 && error.text[0] == 0);
    while (next_text(texts, &at, &text, &len)) {
        tc_verdict verdict;
        uint32_t index;
        memset(&verdict, 0xA5, sizeof verdict);
        verdict.size = sizeof verdict;
        EXPECT(TC_OK, tc_classify(session, text, len, &verdict));
        HOLDS(verdict.size == sizeof verdict);
        printf("%u %08x %08x %08x %u %u", verdict.label, bits(verdict.probability), bits(verdict.score_scale),
               bits(verdict.unknown_share), verdict.flags, verdict.tokens);
        for (index = 0; index < verdict.score_count; index++) {
            printf(" %d", (int)verdict.scores[index]);
        }
        printf("\n");
    }
    EXPECT(TC_OK, tc_session_close(&session));
}

int main(int count, char **words) {
    tc_case *from_file = NULL, *from_memory = NULL;
    tc_options options;
    file bytes, texts;
    NEEDS(count == 3);
    NEEDS(tc_abi_version() == TC_ABI_VERSION);
    printf("version=%s\n", tc_version());
    texts = read_file(words[2]);

    EXPECT(TC_OK, tc_case_open(words[1], strlen(words[1]), NULL, &from_file, NULL));
    describe(from_file);
    classify_all(from_file, &texts);
    EXPECT(TC_OK, tc_case_close(&from_file));

    bytes = read_file(words[1]);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.backend = TC_BACKEND_NATIVE;
    options.strict = 1;
    EXPECT(TC_OK, tc_case_open_memory(bytes.bytes, bytes.len, &options, &from_memory, NULL));
    /* The bytes were copied. */
    memset(bytes.bytes, 0, bytes.len);
    free(bytes.bytes);
    describe(from_memory);
    classify_all(from_memory, &texts);
    EXPECT(TC_OK, tc_case_close(&from_memory));
    free(texts.bytes);
    return failures != 0;
}

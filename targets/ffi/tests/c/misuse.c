/* Every function with every pointer null and misaligned, lengths 0, 1 and too large, bad files, every order of
 * closing. Usage: misuse CASE */
#include "check.h"

static const char TEXT[] = "Oil prices soar to all-time record";
#define TEXT_LEN (sizeof TEXT - 1)

/* No text or buffer can be as long as this. */
static const size_t TOO_LONG = SIZE_MAX / 2 + 1;

static tc_case *opened(const char *path) {
    tc_case *handle = NULL;
    EXPECT(TC_OK, tc_case_open(path, strlen(path), NULL, &handle, NULL));
    NEEDS(handle != NULL);
    return handle;
}

static void opening(const char *path) {
    static char somewhere;
    tc_case *const stale = (tc_case *)(void *)&somewhere;
    const size_t len = strlen(path);
    file bytes = read_file(path);
    tc_options options;
    tc_error error;
    tc_case *out = stale;
    tc_case *room[2];
    tc_error errors[2];
    tc_options choices[2];
    memset(choices, 0, sizeof choices);

    EXPECT(TC_NULL, tc_case_open(NULL, len, NULL, &out, &error));
    HOLDS(out == NULL && error.code == 0 && strcmp(error.text, "pointer is NULL") == 0);
    out = stale;
    EXPECT(TC_NULL, tc_case_open(NULL, 0, NULL, &out, NULL));
    HOLDS(out == NULL);
    EXPECT(TC_NULL, tc_case_open(path, len, NULL, NULL, &error));
    EXPECT(TC_NULL, tc_case_open(NULL, 0, NULL, NULL, NULL));
    EXPECT(TC_MISALIGNED, tc_case_open(path, len, NULL, SKEWED(tc_case *, room), &error));
    HOLDS(strcmp(error.text, "pointer is not aligned") == 0);
    EXPECT(TC_MISALIGNED, tc_case_open(path, len, SKEWED(tc_options, choices), &out, NULL));
    out = stale;
    EXPECT(TC_MISALIGNED, tc_case_open(path, len, NULL, &out, SKEWED(tc_error, errors)));
    HOLDS(out == stale);
    EXPECT(TC_UNREADABLE, tc_case_open(path, 0, NULL, &out, &error));
    HOLDS(error.text[0] != 0 && out == NULL);
    EXPECT(TC_UNREADABLE, tc_case_open(path, 1, NULL, &out, &error));
    EXPECT(TC_UNREADABLE, tc_case_open("a\0b", 3, NULL, &out, &error));
    EXPECT(TC_UNREADABLE, tc_case_open("/", 1, NULL, &out, &error));
    EXPECT(TC_LENGTH, tc_case_open(path, TOO_LONG, NULL, &out, &error));
    EXPECT(TC_LENGTH, tc_case_open(path, SIZE_MAX, NULL, &out, &error));

    EXPECT(TC_NULL, tc_case_open_memory(NULL, bytes.len, NULL, &out, &error));
    EXPECT(TC_NULL, tc_case_open_memory(NULL, 0, NULL, &out, &error));
    EXPECT(TC_NULL, tc_case_open_memory(bytes.bytes, bytes.len, NULL, NULL, &error));
    EXPECT(TC_MISALIGNED, tc_case_open_memory(bytes.bytes, bytes.len, NULL, SKEWED(tc_case *, room), NULL));
    EXPECT(TC_MISALIGNED, tc_case_open_memory(bytes.bytes, bytes.len, SKEWED(tc_options, choices), &out, NULL));
    EXPECT(TC_MISALIGNED, tc_case_open_memory(bytes.bytes, bytes.len, NULL, &out, SKEWED(tc_error, errors)));
    EXPECT(TC_INVALID_CASE, tc_case_open_memory(bytes.bytes, 0, NULL, &out, &error));
    HOLDS(error.code == 1 && error.text[0] != 0 && out == NULL);
    EXPECT(TC_INVALID_CASE, tc_case_open_memory(bytes.bytes, 1, NULL, &out, &error));
    EXPECT(TC_INVALID_CASE, tc_case_open_memory(bytes.bytes, bytes.len - 1, NULL, &out, &error));
    EXPECT(TC_INVALID_CASE, tc_case_open_memory(bytes.bytes, SIZE_MAX / 2, NULL, &out, &error));
    EXPECT(TC_LENGTH, tc_case_open_memory(bytes.bytes, TOO_LONG, NULL, &out, &error));
    EXPECT(TC_LENGTH, tc_case_open_memory(bytes.bytes, SIZE_MAX, NULL, &out, &error));
    bytes.bytes[bytes.len / 2] ^= 1;
    EXPECT(TC_INVALID_CASE, tc_case_open_memory(bytes.bytes, bytes.len, NULL, &out, &error));
    HOLDS(error.code != 0);
    free(bytes.bytes);

    /* Options of an earlier, of this, and of a later version. */
    memset(&options, 0, sizeof options);
    EXPECT(TC_LENGTH, tc_case_open(path, len, &options, &out, &error));
    options.size = sizeof options - 1;
    EXPECT(TC_LENGTH, tc_case_open(path, len, &options, &out, &error));
    options.size = UINT32_MAX;
    EXPECT(TC_LENGTH, tc_case_open(path, len, &options, &out, &error));
    options.size = sizeof options;
    options.backend = 99;
    EXPECT(TC_NO_BACKEND, tc_case_open(path, len, &options, &out, &error));
    HOLDS(strncmp(error.text, "backend 99: ", 12) == 0);
    choices[0].size = sizeof choices;
    EXPECT(TC_OK, tc_case_open(path, len, choices, &out, &error));
    EXPECT(TC_OK, tc_case_close(&out));
    choices[1].strict = 1;
    EXPECT(TC_LENGTH, tc_case_open(path, len, choices, &out, &error));
    HOLDS(out == NULL);
}

static void asking(const char *path) {
    tc_case *handle = opened(path);
    tc_case *const skewed = SKEWED(tc_case, handle);
    const char *text = TEXT;
    const char *texts[2];
    size_t len = 7, lens[2];
    uint32_t count = 7, counts[2];
    uint8_t digest[TC_DIGEST_BYTES + 1];
    char whole[256], part[256];
    size_t needed = 0, capacity;

    EXPECT(TC_NULL, tc_case_name(NULL, &text, &len));
    EXPECT(TC_NULL, tc_case_name(handle, NULL, &len));
    EXPECT(TC_NULL, tc_case_name(handle, &text, NULL));
    EXPECT(TC_MISALIGNED, tc_case_name(skewed, &text, &len));
    EXPECT(TC_MISALIGNED, tc_case_name(handle, SKEWED(const char *, texts), &len));
    EXPECT(TC_MISALIGNED, tc_case_name(handle, &text, SKEWED(size_t, lens)));
    HOLDS(text == TEXT && len == 7);

    EXPECT(TC_NULL, tc_case_label(NULL, 0, &text, &len));
    EXPECT(TC_NULL, tc_case_label(handle, 0, NULL, &len));
    EXPECT(TC_NULL, tc_case_label(handle, 0, &text, NULL));
    EXPECT(TC_MISALIGNED, tc_case_label(skewed, 0, &text, &len));
    EXPECT(TC_MISALIGNED, tc_case_label(handle, 0, SKEWED(const char *, texts), &len));
    EXPECT(TC_MISALIGNED, tc_case_label(handle, 0, &text, SKEWED(size_t, lens)));
    HOLDS(text == TEXT && len == 7);

    EXPECT(TC_NULL, tc_case_label_count(NULL, &count));
    EXPECT(TC_NULL, tc_case_label_count(handle, NULL));
    EXPECT(TC_MISALIGNED, tc_case_label_count(skewed, &count));
    EXPECT(TC_MISALIGNED, tc_case_label_count(handle, SKEWED(uint32_t, counts)));
    HOLDS(count == 7);
    EXPECT(TC_OK, tc_case_label_count(handle, &count));
    EXPECT(TC_OK, tc_case_label(handle, count - 1, &text, &len));
    EXPECT(TC_INDEX, tc_case_label(handle, count, &text, &len));
    HOLDS(text == NULL && len == 0);
    EXPECT(TC_INDEX, tc_case_label(handle, UINT32_MAX, &text, &len));

    EXPECT(TC_NULL, tc_case_digest(NULL, digest));
    EXPECT(TC_NULL, tc_case_digest(handle, NULL));
    EXPECT(TC_MISALIGNED, tc_case_digest(skewed, digest));
    /* Bytes have no alignment. */
    EXPECT(TC_OK, tc_case_digest(handle, digest));
    EXPECT(TC_OK, tc_case_digest(handle, digest + 1));

    EXPECT(TC_NULL, tc_case_scratch_bytes(NULL, &len));
    EXPECT(TC_NULL, tc_case_scratch_bytes(handle, NULL));
    EXPECT(TC_MISALIGNED, tc_case_scratch_bytes(skewed, &len));
    EXPECT(TC_MISALIGNED, tc_case_scratch_bytes(handle, SKEWED(size_t, lens)));

    EXPECT(TC_NULL, tc_case_report(NULL, whole, sizeof whole, &needed));
    EXPECT(TC_MISALIGNED, tc_case_report(skewed, whole, sizeof whole, &needed));
    EXPECT(TC_NULL, tc_case_report(handle, NULL, 1, &needed));
    EXPECT(TC_MISALIGNED, tc_case_report(handle, whole, sizeof whole, SKEWED(size_t, lens)));
    EXPECT(TC_LENGTH, tc_case_report(handle, whole, TOO_LONG, &needed));
    EXPECT(TC_LENGTH, tc_case_report(handle, NULL, SIZE_MAX, &needed));
    HOLDS(needed == 0);
    EXPECT(TC_OK, tc_case_report(handle, NULL, 0, NULL));
    EXPECT(TC_OK, tc_case_report(handle, NULL, 0, &needed));
    NEEDS(needed > 8 && needed <= sizeof whole);
    EXPECT(TC_OK, tc_case_report(handle, whole, needed, NULL));
    HOLDS(strlen(whole) + 1 == needed);
    for (capacity = 0; capacity < needed; capacity++) {
        memset(part, 'x', sizeof part);
        EXPECT(TC_LENGTH, tc_case_report(handle, part, capacity, &needed));
        HOLDS(part[capacity] == 'x');
        HOLDS(capacity == 0 || (part[capacity - 1] == 0 && strncmp(part, whole, capacity - 1) == 0));
    }
    EXPECT(TC_OK, tc_case_close(&handle));
}

static void classifying(const char *path) {
    tc_case *handle = opened(path);
    tc_session *session = NULL, *skewed;
    tc_session *sessions[2];
    tc_verdict verdict, verdicts[2];
    tc_error errors[2];
    char one = 'x';

    EXPECT(TC_NULL, tc_session_new(NULL, &session));
    EXPECT(TC_NULL, tc_session_new(handle, NULL));
    EXPECT(TC_MISALIGNED, tc_session_new(SKEWED(tc_case, handle), &session));
    EXPECT(TC_MISALIGNED, tc_session_new(handle, SKEWED(tc_session *, sessions)));
    HOLDS(session == NULL);
    EXPECT(TC_OK, tc_session_new(handle, &session));
    NEEDS(session != NULL);
    skewed = SKEWED(tc_session, session);

    memset(&verdict, 0, sizeof verdict);
    verdict.size = sizeof verdict;
    EXPECT(TC_NULL, tc_classify(NULL, TEXT, TEXT_LEN, &verdict));
    EXPECT(TC_NULL, tc_classify(session, NULL, 1, &verdict));
    EXPECT(TC_NULL, tc_classify(session, TEXT, TEXT_LEN, NULL));
    EXPECT(TC_MISALIGNED, tc_classify(skewed, TEXT, TEXT_LEN, &verdict));
    EXPECT(TC_MISALIGNED, tc_classify(session, TEXT, TEXT_LEN, SKEWED(tc_verdict, verdicts)));
    EXPECT(TC_LENGTH, tc_classify(session, TEXT, TOO_LONG, &verdict));
    EXPECT(TC_LENGTH, tc_classify(session, TEXT, SIZE_MAX, &verdict));
    EXPECT(TC_LENGTH, tc_classify(session, NULL, SIZE_MAX, &verdict));
    HOLDS(verdict.scores == NULL);
    EXPECT(TC_OK, tc_classify(session, NULL, 0, &verdict));
    HOLDS(verdict.scores != NULL && verdict.flags & TC_NO_KNOWN_WORD && verdict.tokens == 0);
    EXPECT(TC_OK, tc_classify(session, &one, 0, &verdict));
    EXPECT(TC_OK, tc_classify(session, &one, 1, &verdict));
    EXPECT(TC_OK, tc_classify(session, "\xFF", 1, &verdict));
    HOLDS(verdict.flags & TC_INVALID_UTF8);
    EXPECT(TC_OK, tc_classify(session, "\0\0", 2, &verdict));

    /* Verdicts of an earlier and of a later version. */
    verdict.size = 0;
    EXPECT(TC_LENGTH, tc_classify(session, TEXT, TEXT_LEN, &verdict));
    verdict.size = sizeof verdict - 1;
    EXPECT(TC_LENGTH, tc_classify(session, TEXT, TEXT_LEN, &verdict));
    verdict.size = UINT32_MAX;
    EXPECT(TC_LENGTH, tc_classify(session, TEXT, TEXT_LEN, &verdict));
    memset(verdicts, 0xA5, sizeof verdicts);
    verdicts[0].size = sizeof verdicts - 4;
    EXPECT(TC_OK, tc_classify(session, TEXT, TEXT_LEN, verdicts));
    HOLDS(verdicts[0].size == sizeof verdicts - 4 && verdicts[1].size == 0 && verdicts[1].unknown_share == 0);
    HOLDS(verdicts[1].tokens == 0xA5A5A5A5u);

    EXPECT(TC_NULL, tc_session_verify(NULL, errors));
    EXPECT(TC_MISALIGNED, tc_session_verify(skewed, errors));
    HOLDS(strcmp(errors[0].text, "pointer is not aligned") == 0);
    EXPECT(TC_MISALIGNED, tc_session_verify(session, SKEWED(tc_error, errors)));
    EXPECT(TC_OK, tc_session_verify(session, NULL));
    EXPECT(TC_OK, tc_session_verify(session, errors));
    HOLDS(errors[0].text[0] == 0);
    EXPECT(TC_OK, tc_session_close(&session));
    EXPECT(TC_OK, tc_case_close(&handle));
}

static void closing(const char *path) {
    tc_case *handle = opened(path), *none = NULL;
    tc_case *room[2];
    tc_session *session = NULL, *other = NULL, *nothing = NULL;
    tc_session *sessions[2];
    tc_verdict before, after;
    memset(&before, 0, sizeof before);
    before.size = sizeof before;
    after = before;
    memset(room, 0, sizeof room);
    memset(sessions, 0, sizeof sessions);
    EXPECT(TC_OK, tc_case_close(NULL));
    EXPECT(TC_OK, tc_case_close(&none));
    EXPECT(TC_MISALIGNED, tc_case_close(SKEWED(tc_case *, room)));
    EXPECT(TC_OK, tc_session_close(NULL));
    EXPECT(TC_OK, tc_session_close(&nothing));
    EXPECT(TC_MISALIGNED, tc_session_close(SKEWED(tc_session *, sessions)));

    room[0] = SKEWED(tc_case, handle);
    EXPECT(TC_MISALIGNED, tc_case_close(&room[0]));
    HOLDS(room[0] != NULL);

    /* The case first: its sessions go on. */
    EXPECT(TC_OK, tc_session_new(handle, &session));
    EXPECT(TC_OK, tc_session_new(handle, &other));
    EXPECT(TC_OK, tc_classify(session, TEXT, TEXT_LEN, &before));
    sessions[0] = SKEWED(tc_session, session);
    EXPECT(TC_MISALIGNED, tc_session_close(&sessions[0]));
    EXPECT(TC_OK, tc_case_close(&handle));
    HOLDS(handle == NULL);
    EXPECT(TC_OK, tc_case_close(&handle));
    EXPECT(TC_NULL, tc_session_new(handle, &nothing));
    EXPECT(TC_OK, tc_session_verify(other, NULL));
    EXPECT(TC_OK, tc_session_close(&other));
    HOLDS(other == NULL);
    EXPECT(TC_OK, tc_session_close(&other));
    EXPECT(TC_OK, tc_classify(session, TEXT, TEXT_LEN, &after));
    HOLDS(before.label == after.label && before.probability == after.probability);
    EXPECT(TC_OK, tc_session_close(&session));

    /* The session first. */
    handle = opened(path);
    EXPECT(TC_OK, tc_session_new(handle, &session));
    EXPECT(TC_OK, tc_session_close(&session));
    EXPECT(TC_OK, tc_case_close(&handle));
}

int main(int count, char **words) {
    NEEDS(count == 2);
    HOLDS(tc_abi_version() == TC_ABI_VERSION);
    HOLDS(tc_version()[0] != 0);
    HOLDS(strcmp(tc_status_text(TC_OK), "done") == 0);
    HOLDS(strcmp(tc_status_text(UINT32_MAX), "unknown status") == 0);
    opening(words[1]);
    asking(words[1]);
    classifying(words[1]);
    closing(words[1]);
    return failures != 0;
}

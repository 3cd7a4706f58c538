/* Classifies the lines of standard input. Usage: classify CASE < TEXTS */
#include <stdio.h>
#include <string.h>

#include "typecase.h"

/* One line for each text: the class, its probability, and what to know about the text. */
static tc_status classify(const tc_case *news, tc_session *session, const char *text, size_t len) {
    const char *label = NULL;
    size_t label_len = 0;
    tc_verdict verdict;
    tc_status status;
    verdict.size = sizeof verdict;
    status = tc_classify(session, text, len, &verdict);
    if (status == TC_OK) {
        status = tc_case_label(news, verdict.label, &label, &label_len);
    }
    if (status == TC_OK) {
        printf("%s %.1f%%%s%s%s%s\n", label, 100.0 * verdict.probability,
               verdict.flags & TC_TRUNCATED ? " truncated" : "", verdict.flags & TC_ABSTAIN ? " unsure" : "",
               verdict.flags & TC_INVALID_UTF8 ? " not-utf8" : "",
               verdict.flags & TC_NO_KNOWN_WORD ? " no-known-word" : "");
    }
    return status;
}

int main(int count, char **words) {
    tc_case *news = NULL;
    tc_session *session = NULL;
    tc_error error;
    tc_status status;
    char line[4096];
    if (count != 2 || tc_abi_version() != TC_ABI_VERSION) {
        fprintf(stderr, "usage: classify CASE < TEXTS (interface %u, library %u)\n", (unsigned)TC_ABI_VERSION,
                (unsigned)tc_abi_version());
        return 2;
    }
    status = tc_case_open(words[1], strlen(words[1]), NULL, &news, &error);
    if (status != TC_OK) {
        fprintf(stderr, "error: %s\n", error.text);
        return 2;
    }
    status = tc_session_new(news, &session);
    while (status == TC_OK && fgets(line, sizeof line, stdin) != NULL) {
        status = classify(news, session, line, strcspn(line, "\n"));
    }
    if (status != TC_OK) {
        fprintf(stderr, "error: %s\n", tc_status_text((uint32_t)status));
    }
    tc_session_close(&session);
    tc_case_close(&news);
    return status == TC_OK ? 0 : 1;
}

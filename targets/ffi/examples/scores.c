/* Prints the exact scores of the lines of standard input, of any length. Usage: scores CASE < TEXTS
 *
 * The first line says which engine answers; then one line for each text: label, scores, flags, parted by tabs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "typecase.h"

struct line {
    char *bytes;
    size_t len;
    size_t capacity;
};

/* Reads a line without its end; 0 at the end of the input, -1 without memory. */
static int next_line(struct line *line) {
    int byte = getchar();
    if (byte == EOF) {
        return 0;
    }
    for (line->len = 0; byte != EOF && byte != '\n'; byte = getchar()) {
        if (line->len == line->capacity) {
            size_t capacity = line->capacity == 0 ? 4096 : 2 * line->capacity;
            char *bytes = (char *)realloc(line->bytes, capacity);
            if (bytes == NULL) {
                return -1;
            }
            line->bytes = bytes;
            line->capacity = capacity;
        }
        line->bytes[line->len++] = (char)byte;
    }
    if (byte == '\n' && line->len > 0 && line->bytes[line->len - 1] == '\r') {
        line->len--;
    }
    return 1;
}

static tc_status answer(const tc_case *opened, tc_session *session, const struct line *line) {
    const char *label = NULL, *part = "\t";
    size_t label_len = 0;
    uint32_t index;
    tc_verdict verdict;
    tc_status status;
    verdict.size = sizeof verdict;
    status = tc_classify(session, line->bytes == NULL ? "" : line->bytes, line->len, &verdict);
    if (status == TC_OK) {
        status = tc_case_label(opened, verdict.label, &label, &label_len);
    }
    if (status != TC_OK) {
        return status;
    }
    printf("%s", label);
    for (index = 0; index < verdict.score_count; index++) {
        printf("%c%ld", index == 0 ? '\t' : ',', (long)verdict.scores[index]);
    }
    if (verdict.flags & TC_TRUNCATED) {
        printf("%struncated", part);
        part = ",";
    }
    if (verdict.flags & TC_ABSTAIN) {
        printf("%sabstain", part);
        part = ",";
    }
    if (verdict.flags & TC_INVALID_UTF8) {
        printf("%sinvalid", part);
        part = ",";
    }
    printf("%s\n", part[0] == '\t' ? "\t-" : "");
    return TC_OK;
}

/* Which engine answers, after it has given the golden scores. */
static tc_status greet(const tc_case *opened, tc_session *session, tc_error *error) {
    char report[512];
    size_t needed = 0;
    tc_status status = tc_session_verify(session, error);
    if (status == TC_OK) {
        status = tc_case_report(opened, report, sizeof report, &needed);
    }
    if (status == TC_OK) {
        report[strcspn(report, "\n")] = '\0';
        printf("libtypecase %s, %s; golden vectors exact\n", tc_version(), report);
    }
    return status;
}

int main(int count, char **words) {
    tc_case *opened = NULL;
    tc_session *session = NULL;
    tc_error error;
    tc_status status;
    struct line line = {NULL, 0, 0};
    int more = 1;
    if (count != 2 || tc_abi_version() != TC_ABI_VERSION) {
        fprintf(stderr, "usage: scores CASE < TEXTS (interface %u, library %u)\n", (unsigned)TC_ABI_VERSION,
                (unsigned)tc_abi_version());
        return 2;
    }
    status = tc_case_open(words[1], strlen(words[1]), NULL, &opened, &error);
    if (status != TC_OK) {
        fprintf(stderr, "error: %s (code %u)\n", error.text, (unsigned)error.code);
        return 2;
    }
    status = tc_session_new(opened, &session);
    if (status == TC_OK) {
        status = greet(opened, session, &error);
    }
    while (status == TC_OK && (more = next_line(&line)) > 0) {
        status = answer(opened, session, &line);
    }
    if (status != TC_OK) {
        fprintf(stderr, "error: %s\n", tc_status_text((uint32_t)status));
    } else if (more < 0) {
        fprintf(stderr, "error: no memory for a line\n");
    }
    free(line.bytes);
    tc_session_close(&session);
    tc_case_close(&opened);
    return status == TC_OK && more == 0 ? 0 : 1;
}

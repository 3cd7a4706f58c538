/* What the C tests share: a check that names the line and counts, and pointers that are off by one. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "typecase.h"

static int failures = 0;

/* The call must return this status. */
#define EXPECT(status, call)                                                                                   \
    do {                                                                                                       \
        const tc_status found_ = (call);                                                                       \
        if (found_ != (status)) {                                                                              \
            fprintf(stderr, "%s:%d: %s: found %u (%s), expected " #status "\n", __FILE__, __LINE__, #call,     \
                    (unsigned)found_, tc_status_text((uint32_t)found_));                                       \
            failures++;                                                                                        \
        }                                                                                                      \
    } while (0)

/* The condition must hold. */
#define HOLDS(condition)                                                                                       \
    do {                                                                                                       \
        if (!(condition)) {                                                                                    \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                     \
            failures++;                                                                                        \
        }                                                                                                      \
    } while (0)

/* What the test itself needs, or it ends. */
#define NEEDS(condition)                                                                                       \
    do {                                                                                                       \
        if (!(condition)) {                                                                                    \
            fprintf(stderr, "%s:%d: the test cannot go on: %s\n", __FILE__, __LINE__, #condition);             \
            exit(2);                                                                                           \
        }                                                                                                      \
    } while (0)

/* The same place, one byte on: for every type of more than one byte not aligned. */
#define SKEWED(type, pointer) ((type *)(void *)((char *)(void *)(pointer) + 1))

/* A file in memory. */
typedef struct file {
    unsigned char *bytes;
    size_t len;
} file;

static inline file read_file(const char *path) {
    file whole = {NULL, 0};
    FILE *stream = fopen(path, "rb");
    long len;
    NEEDS(stream != NULL && fseek(stream, 0, SEEK_END) == 0);
    len = ftell(stream);
    NEEDS(len >= 0 && fseek(stream, 0, SEEK_SET) == 0);
    whole.len = (size_t)len;
    whole.bytes = (unsigned char *)malloc(whole.len + 1);
    NEEDS(whole.bytes != NULL && fread(whole.bytes, 1, whole.len, stream) == whole.len);
    fclose(stream);
    return whole;
}

/* The next text of a file of texts, each after its length in four little-endian bytes. */
static inline int next_text(const file *texts, size_t *at, const char **text, size_t *len) {
    const unsigned char *head;
    if (*at + 4 > texts->len) {
        return 0;
    }
    head = texts->bytes + *at;
    *len = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    *text = (const char *)head + 4;
    *at += 4 + *len;
    return *at <= texts->len;
}

#endif

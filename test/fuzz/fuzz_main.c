/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_main.c - runs a fuzz target over files, and over random bytes, without
 * libFuzzer: gcc has none.  With clang, link -fsanitize=fuzzer instead.
 *     fuzz_NAME FILE...      each file once
 *     fuzz_NAME              50,000 random inputs from a printed seed
 * A random input is a row of words that the target names in fuzz_words.  */
#include "base.h"

#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const char *const fuzz_words[]; /* ended by NULL */

static int run_file(const char *path)
{
    static uint8_t data[1 << 20];
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return 1;
    }
    size_t n = fread(data, 1, sizeof data, f);
    fclose(f);
    return LLVMFuzzerTestOneInput(data, n);
}

static size_t random_input(char *data, size_t size, unsigned *seed)
{
    size_t words = 0, len = 0;
    while (fuzz_words[words])
        words++;
    if (words == 0)
        return 0;
    for (int left = rand_r(seed) % 40; left > 0; left--) {
        const char *word = fuzz_words[(size_t)rand_r(seed) % words];
        size_t n = strlen(word);
        if (n > size - len)
            break;
        memcpy(data + len, word, n);
        len += n;
        if (rand_r(seed) % 32 == 0 && len > 0)
            data[len - 1] = (char)rand_r(seed);
    }
    return len;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (run_file(argv[i]) != 0)
            return 1;
    if (argc > 1)
        return 0;

    const char *given = getenv("FUZZ_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    printf("FUZZ_SEED=%u\n", seed);
    for (int i = 0; i < 50000; i++) {
        char data[300];
        size_t n = random_input(data, sizeof data, &seed);
        LLVMFuzzerTestOneInput((const uint8_t *)data, n);
    }
    return 0;
}

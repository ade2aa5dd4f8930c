#include "cplatform.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

/// Reads all of `text` as a number; hexadecimal, infinity and exponents are numbers, NaN is none.
static int read_long_double(const char *text, long double *value) {
    if (text[0] == 0 || isspace((unsigned char)text[0])) return 0;
    char *end;
    errno = 0;
    *value = strtold(text, &end);
    if (*end != 0 || isnan(*value)) return 0;
    if (errno == ERANGE && (fabsl(*value) == HUGE_VALL || *value == 0)) return 0;
    return 1;
}

int cp_add_decimals(const char *a, const char *b, char *out, size_t size) {
    long double x, y;
    if (!read_long_double(a, &x)) return -1;
    if (!read_long_double(b, &y)) return -2;
    long double sum = x + y;
    if (!isfinite(sum)) return -3;
    int n = snprintf(out, size, "%.17Lf", sum);
    if (n < 0 || (size_t)n >= size) return -3;
    if (strchr(out, '.')) {
        while (out[n - 1] == '0') n--;
        if (out[n - 1] == '.') n--;
    }
    if (n == 2 && out[0] == '-' && out[1] == '0') {
        out[0] = '0';
        n = 1;
    }
    return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of str.h: plain, with a unit, and the names of signals. */
#include "base/str.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SIGNAL_MAX 64
#define SIGNAL_RTMIN 34 /* glibc's: NPTL keeps 32 and 33; engines count from there */

/* Digits only; *ret_end is where they stop. -ERANGE beyond 64 bits, -EINVAL without a digit. */
static int parse_digits(const char *s, uint64_t *ret, const char **ret_end)
{
    uint64_t value = 0;
    const char *p = s;

    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            return -ERANGE;
    if (p == s)
        return -EINVAL;
    *ret = value;
    *ret_end = p;
    return 0;
}

int str_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
    const char *end;
    uint64_t value;
    int r;

    if (!s)
        return -EINVAL;
    if ((r = parse_digits(s, &value, &end)) < 0)
        return r;
    if (*end)
        return -EINVAL;
    if (value < min || value > max)
        return -ERANGE;
    *ret = value;
    return 0;
}

int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
    uint64_t magnitude;
    int64_t value;
    bool negative = s && *s == '-';
    int r;

    if ((r = str_to_u64(s ? s + negative : NULL, 0, (uint64_t)INT64_MAX + negative, &magnitude)) <
        0)
        return r;
    value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    if (value < min || value > max)
        return -ERANGE;
    *ret = value;
    return 0;
}

int str_to_size(const char *s, uint64_t *ret)
{
    static const char units[] = "kmgtpe";
    const char *end, *unit;
    uint64_t value;
    unsigned int shift = 0;
    int r;

    if (!s)
        return -EINVAL;
    if ((r = parse_digits(s, &value, &end)) < 0)
        return r;
    if (*end && (unit = strchr(units, *end | 0x20))) {
        shift = 10 * (unsigned int)(unit - units + 1);
        end++;
        if (*end == 'i')
            end++;
    }
    if (*end && strcasecmp(end, "b") != 0)
        return -EINVAL;
    if (value > UINT64_MAX >> shift)
        return -ERANGE;
    *ret = value << shift;
    return 0;
}

static const char *const signal_names[] = {
    [1] = "SIGHUP",     [2] = "SIGINT",   [3] = "SIGQUIT",   [4] = "SIGILL",   [5] = "SIGTRAP",
    [6] = "SIGABRT",    [7] = "SIGBUS",   [8] = "SIGFPE",    [9] = "SIGKILL",  [10] = "SIGUSR1",
    [11] = "SIGSEGV",   [12] = "SIGUSR2", [13] = "SIGPIPE",  [14] = "SIGALRM", [15] = "SIGTERM",
    [16] = "SIGSTKFLT", [17] = "SIGCHLD", [18] = "SIGCONT",  [19] = "SIGSTOP", [20] = "SIGTSTP",
    [21] = "SIGTTIN",   [22] = "SIGTTOU", [23] = "SIGURG",   [24] = "SIGXCPU", [25] = "SIGXFSZ",
    [26] = "SIGVTALRM", [27] = "SIGPROF", [28] = "SIGWINCH", [29] = "SIGIO",   [30] = "SIGPWR",
    [31] = "SIGSYS",
};

static const struct {
    const char *name;
    int signo;
} signal_aliases[] = {{"IOT", 6}, {"CLD", 17}, {"POLL", 29}, {"UNUSED", 31}};

const char *signal_name(int signo)
{
    return signo > 0 && (size_t)signo < ARRAY_SIZE(signal_names) ? signal_names[signo] : NULL;
}

/* "RTMIN", "RTMIN+n", "RTMAX", "RTMAX-n" */
static int parse_realtime(const char *s)
{
    bool from_max = strncasecmp(s, "RTMAX", 5) == 0;
    uint64_t off = 0;

    if (!from_max && strncasecmp(s, "RTMIN", 5) != 0)
        return -EINVAL;
    s += 5;
    if (*s) {
        if (*s != (from_max ? '-' : '+'))
            return -EINVAL;
        if (str_to_u64(s + 1, 0, SIGNAL_MAX - SIGNAL_RTMIN, &off) < 0)
            return -EINVAL;
    }
    return from_max ? SIGNAL_MAX - (int)off : SIGNAL_RTMIN + (int)off;
}

int str_to_signal(const char *s)
{
    uint64_t value;

    if (!s || !*s)
        return -EINVAL;
    if (*s >= '0' && *s <= '9')
        return str_to_u64(s, 1, SIGNAL_MAX, &value) < 0 ? -EINVAL : (int)value;
    if (strncasecmp(s, "SIG", 3) == 0)
        s += 3;
    for (size_t i = 1; i < ARRAY_SIZE(signal_names); i++)
        if (strcasecmp(signal_names[i] + 3, s) == 0)
            return (int)i;
    for (size_t i = 0; i < ARRAY_SIZE(signal_aliases); i++)
        if (strcasecmp(signal_aliases[i].name, s) == 0)
            return signal_aliases[i].signo;
    return parse_realtime(s);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "config/syntax.h"
#include <stdbool.h>
#include <string.h>
#include "base/str.h"

/* A parser that has failed, and the text that it read. */
struct failed {
    const yaml_parser_t *parser;
    const char *text;
    size_t len;
    yaml_mark_t at; /* where to look */
};

static bool in(const struct failed *f, const char *context)
{
    return f->parser->context && strcmp(f->parser->context, context) == 0;
}

static bool says(const struct failed *f, const char *problem)
{
    return f->parser->problem && strcmp(f->parser->problem, problem) == 0;
}

static const char *line_of(const struct failed *f)
{
    const char *line = f->text, *end = f->text + f->len;

    for (size_t n = f->at.line; n > 0 && line; n--) {
        line = memchr(line, '\n', (size_t)(end - line));
        line += line != NULL;
    }
    return line ? line : end;
}

/* The character that the mark shows: columns count characters, of one byte or several. */
static const char *character(const struct failed *f)
{
    const char *p = line_of(f), *end = f->text + f->len;

    for (size_t n = f->at.column; n > 0 && p < end; n--)
        do
            p++;
        while (p < end && ((unsigned char)*p & 0xc0) == 0x80);
    return p;
}

static bool begins_line(const struct failed *f)
{
    const char *p = line_of(f), *to = character(f);

    while (p < to && *p == ' ')
        p++;
    return p == to;
}

/* What a mark shows; 0: the text ends there, or has lines of another kind than ours. */
static char shown(const struct failed *f, const yaml_mark_t *at)
{
    const struct failed there = {f->parser, f->text, f->len, *at};
    const char *p = character(&there);

    return p < f->text + f->len ? *p : '\0';
}

/* What is left open was opened elsewhere; in one line it is rather a comma that is missing. */
static char *open_bracket(struct failed *f, const yaml_mark_t *opened)
{
    char opens = shown(f, opened), closes = opens == '[' ? ']' : '}';

    if (opens != '[' && opens != '{')
        return xstrdup(f->parser->problem);

    if (opened->line == f->at.line)
        return xasprintf("expected ',' or '%c', for the '%c' in column %zu is open", closes, opens,
                         opened->column + 1);
    f->at = *opened;
    return xasprintf("'%c' is not closed: line %zu, column %zu has neither ',' nor '%c'", opens,
                     f->parser->problem_mark.line + 1, f->parser->problem_mark.column + 1, closes);
}

/* Within brackets; that libyaml has begun it is on its stack, for the sentence says nothing. */
static char *no_content(struct failed *f)
{
    const yaml_mark_t *top = f->parser->marks.top;

    return top > f->parser->marks.start ? open_bracket(f, top - 1) : xstrdup(f->parser->problem);
}

static char *no_token(const struct failed *f)
{
    char c = shown(f, &f->at);

    if (c == '\t')
        return xstrdup("a tab; the lines of a YAML file are indented with spaces");
    return c ? xasprintf("no value begins with '%c', put it in quotes", c)
             : xstrdup(f->parser->problem);
}

static char *of_block(const struct failed *f)
{
    if (begins_line(f))
        return xstrdup("this line's indentation is that of no line above that it could belong to");
    return xstrdup("nothing may follow a value in its line; put the whole value in quotes");
}

static char *sentence(struct failed *f)
{
    if (in(f, "while parsing a flow sequence") || in(f, "while parsing a flow mapping"))
        return open_bracket(f, &f->parser->context_mark);
    if (in(f, "while parsing a flow node"))
        return no_content(f);
    if (in(f, "while parsing a block mapping") || in(f, "while parsing a block collection") ||
        says(f, "did not find expected <document start>"))
        return of_block(f);
    if (in(f, "while scanning a quoted scalar") && says(f, "found unexpected end of stream")) {
        f->at = f->parser->context_mark;
        return xstrdup("this quote is not closed");
    }
    if (in(f, "while scanning a simple key")) {
        f->at = f->parser->context_mark;
        return xstrdup("neither 'key: value' nor '- entry'; is a space missing?");
    }
    if (in(f, "while scanning an alias") || says(f, "found undefined alias"))
        return xstrdup("a value that begins with '*' is a reference, put it in quotes");
    if (says(f, "found character that cannot start any token") ||
        in(f, "while parsing a block node"))
        return no_token(f);
    if (says(f, "mapping values are not allowed in this context"))
        return xstrdup("a ':' within a value: quotes are missing, or a ':' in the line above, or "
                       "the indentation is wrong");
    return xstrdup(f->parser->problem ? f->parser->problem : "not valid YAML");
}

/* Of bytes that are no text libyaml tells the offset alone. */
static void place_bytes(struct failed *f)
{
    size_t end = f->parser->problem_offset < f->len ? f->parser->problem_offset : f->len;

    f->at = (yaml_mark_t){.index = end};
    for (size_t i = 0; i < end; i++) {
        f->at.column = f->text[i] == '\n' ? 0 : f->at.column + 1;
        f->at.line += f->text[i] == '\n';
    }
}

char *yaml_syntax_sentence(const yaml_parser_t *parser, const char *text, size_t len,
                           size_t *ret_line, size_t *ret_column)
{
    struct failed f = {parser, text, len, parser->problem_mark};
    char *why;

    if (parser->error == YAML_READER_ERROR)
        place_bytes(&f);
    why = sentence(&f);
    *ret_line = f.at.line;
    *ret_column = f.at.column;
    return why;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a shared object exports, read from its own section headers. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/str.h"
#include "kit/internal.h"

#define SO_MAX (256u << 20)

struct image {
    const char *bytes;
    size_t len;
};

/* n things of that size at that place, or NULL where the file has no such place. */
static const void *at(const struct image *i, uint64_t offset, uint64_t n, uint64_t size)
{
    if (offset > i->len || (n && size > (i->len - offset) / n))
        return NULL;
    return i->bytes + offset;
}

static bool is_foreign(const Elf64_Sym *s, const char *name)
{
    unsigned bind = ELF64_ST_BIND(s->st_info), see = ELF64_ST_VISIBILITY(s->st_other);

    if (s->st_shndx == SHN_UNDEF || (bind != STB_GLOBAL && bind != STB_WEAK))
        return false;
    if (see == STV_HIDDEN || see == STV_INTERNAL)
        return false;
    return !str_starts_with(name, "hvp_plugin_v");
}

static void collect(const Elf64_Sym *syms, uint64_t n, const char *names, uint64_t names_len,
                    char *ret, size_t len)
{
    size_t used = 0;

    for (uint64_t i = 0; i < n && used < len; i++) {
        const char *name = syms[i].st_name < names_len ? names + syms[i].st_name : "";

        if (is_foreign(&syms[i], name))
            used += (size_t)snprintf(ret + used, len - used, "%s%s", used ? " " : "", name);
    }
}

int kit_foreign_symbols(const char *path, char *names, size_t len)
{
    cleanup_free char *text = NULL;
    struct image i = {0};
    const Elf64_Ehdr *head;
    const Elf64_Shdr *sections;
    int r = path_read(AT_FDCWD, path, SO_MAX, &text, &i.len, NULL);

    if (r < 0)
        return r;
    i.bytes = text;
    names[0] = '\0';
    head = at(&i, 0, 1, sizeof(*head));
    if (!head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
        head->e_ident[EI_CLASS] != ELFCLASS64)
        return -ENOEXEC;
    sections = at(&i, head->e_shoff, head->e_shnum, sizeof(*sections));
    for (unsigned s = 0; sections && s < head->e_shnum; s++) {
        const Elf64_Shdr *sym = &sections[s], *str;
        const void *syms, *strs;

        if (sym->sh_type != SHT_DYNSYM || sym->sh_link >= head->e_shnum)
            continue;
        str = &sections[sym->sh_link];
        syms = at(&i, sym->sh_offset, sym->sh_size, 1);
        strs = at(&i, str->sh_offset, str->sh_size, 1);
        if (syms && strs && str->sh_size && ((const char *)strs)[str->sh_size - 1] == '\0')
            collect(syms, sym->sh_size / sizeof(Elf64_Sym), strs, str->sh_size, names, len);
    }
    return 0;
}

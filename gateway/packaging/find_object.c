/* What gcc's unwinder needs of the C library, and musl does not give: without it a panicking thread would end the program
   with a bad address, and nobody would be told which part it was. */
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/* glibc's. */
struct dl_find_object {
    unsigned long long flags;
    void *map_start;
    void *map_end;
    struct link_map *link_map;
    void *eh_frame;
    unsigned long long reserved[7];
};

struct search {
    uintptr_t address;
    struct dl_find_object *found;
};

/* The unwinder uses these only if they are there, and takes one of them for a sign of all. */
__attribute__((used)) static void *const threads[] = {
    (void *)pthread_once,        (void *)pthread_mutex_lock,  (void *)pthread_mutex_unlock, (void *)pthread_key_create,
    (void *)pthread_getspecific, (void *)pthread_setspecific,
};

static int look(struct dl_phdr_info *object, size_t size, void *argument)
{
    struct search *search = argument;
    uintptr_t table = 0, start = 0, end = 0;
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t begins = object->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_GNU_EH_FRAME) {
            table = begins;
        } else if (segment->p_type == PT_LOAD && search->address >= begins
                   && search->address - begins < segment->p_memsz) {
            start = begins;
            end = begins + segment->p_memsz;
        }
    }
    if (table == 0 || start == 0) {
        return 0;
    }
    *search->found = (struct dl_find_object){
        .map_start = (void *)start, .map_end = (void *)end, .eh_frame = (void *)table,
    };
    return 1;
}

/* In which part of the program an address lies, and where the table is that says how to unwind it. */
int _dl_find_object(void *address, struct dl_find_object *found)
{
    struct search search = {.address = (uintptr_t)address, .found = found};
    return dl_iterate_phdr(look, &search) == 1 ? 0 : -1;
}

/* What Rust's standard library asks an unwinder for when it prints where a panic came from. A box's program ends with a
   panic and has no tables to walk, so the way back has no steps: the panic's own file and line are all that is told. */
#include <stdint.h>

enum { END_OF_STACK = 5 };

int _Unwind_Backtrace(void *step, void *argument) {
    (void)step, (void)argument;
    return END_OF_STACK;
}

uintptr_t _Unwind_GetIP(void *context) {
    (void)context;
    return 0;
}

uintptr_t _Unwind_GetCFA(void *context) {
    (void)context;
    return 0;
}

void *_Unwind_FindEnclosingFunction(void *address) {
    (void)address;
    return 0;
}

#ifdef __arm__
/* There, a register is asked for; and the tables of gcc's own library name who would walk them. */
int _Unwind_VRS_Get(void *context, int of, uint32_t number, int as, void *value) {
    (void)context, (void)of, (void)number, (void)as;
    *(uint32_t *)value = 0;
    return 0;
}

int __aeabi_unwind_cpp_pr0(void) { return END_OF_STACK; }
int __aeabi_unwind_cpp_pr1(void) { return END_OF_STACK; }
int __aeabi_unwind_cpp_pr2(void) { return END_OF_STACK; }
#endif

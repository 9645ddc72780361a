// libFuzzer's driver (LLVM, compiler-rt/lib/fuzzer/FuzzerInterface.h), so that a Swift main can run it.
#ifndef CFUZZ_H
#define CFUZZ_H
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*run)(const uint8_t *data, size_t size));

#endif

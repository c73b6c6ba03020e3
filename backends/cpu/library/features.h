/* What a processor can do, under LLVM's names: bits of a level's `needs`. */

enum feature {
  AVX, AVX2, AVX512BW, AVX512CD, AVX512DQ, AVX512F, AVX512VL, BMI, BMI2, CX16, F16C, FMA, LZCNT, MOVBE, NEON, POPCNT,
  SAHF, SSE3, SSE4_1, SSE4_2, SSSE3, XSAVE
};

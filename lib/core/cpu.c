/* CPU features: cpuid leaves 1, 7 and 0xd and XCR0 (Intel SDM vol. 2, CPUID; vol. 1, chapter 13). */
#include <cpuid.h>
#include "cpu.h"

static uint64_t xgetbv0(void)
{
	uint32_t lo, hi;

	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return lo | (uint64_t)hi << 32;
}

void cpu_describe(struct rec_cpu *c)
{
	uint32_t a, b, cx, d;

	*c = (struct rec_cpu){0};
	__get_cpuid(1, &a, &b, &c->leaf1_ecx, &c->leaf1_edx);
	if (__get_cpuid_count(7, 0, &a, &b, &cx, &d)) {
		c->leaf7_ebx = b;
		c->leaf7_ecx = cx;
		c->leaf7_edx = d;
	}
	if (!(c->leaf1_ecx & bit_OSXSAVE))
		return;
	c->xcr0 = xgetbv0();
	if (__get_cpuid_count(0xd, 0, &a, &b, &cx, &d))
		c->xsave_size = b;
}

enum reg { REG_1C, REG_1D, REG_7B, REG_7C, REG_7D };

/* Features that programs and libraries choose code by; not those only the kernel uses. */
static const struct {
	enum reg reg;
	uint32_t bit;
	const char *name;
} features[] = {
	{REG_1D, 1u << 25, "sse"},	   {REG_1D, 1u << 26, "sse2"},
	{REG_1C, 1u << 0, "sse3"},	   {REG_1C, 1u << 1, "pclmulqdq"},
	{REG_1C, 1u << 9, "ssse3"},	   {REG_1C, 1u << 12, "fma"},
	{REG_1C, 1u << 13, "cx16"},	   {REG_1C, 1u << 19, "sse4.1"},
	{REG_1C, 1u << 20, "sse4.2"},	   {REG_1C, 1u << 22, "movbe"},
	{REG_1C, 1u << 23, "popcnt"},	   {REG_1C, 1u << 25, "aes"},
	{REG_1C, 1u << 26, "xsave"},	   {REG_1C, 1u << 28, "avx"},
	{REG_1C, 1u << 29, "f16c"},	   {REG_1C, 1u << 30, "rdrand"},
	{REG_7B, 1u << 0, "fsgsbase"},	   {REG_7B, 1u << 3, "bmi1"},
	{REG_7B, 1u << 5, "avx2"},	   {REG_7B, 1u << 8, "bmi2"},
	{REG_7B, 1u << 9, "erms"},	   {REG_7B, 1u << 11, "rtm"},
	{REG_7B, 1u << 16, "avx512f"},	   {REG_7B, 1u << 17, "avx512dq"},
	{REG_7B, 1u << 18, "rdseed"},	   {REG_7B, 1u << 19, "adx"},
	{REG_7B, 1u << 21, "avx512ifma"},  {REG_7B, 1u << 28, "avx512cd"},
	{REG_7B, 1u << 29, "sha_ni"},	   {REG_7B, 1u << 30, "avx512bw"},
	{REG_7B, 1u << 31, "avx512vl"},	   {REG_7C, 1u << 1, "avx512vbmi"},
	{REG_7C, 1u << 6, "avx512vbmi2"},  {REG_7C, 1u << 8, "gfni"},
	{REG_7C, 1u << 9, "vaes"},	   {REG_7C, 1u << 10, "vpclmulqdq"},
	{REG_7C, 1u << 11, "avx512vnni"},  {REG_7C, 1u << 12, "avx512bitalg"},
	{REG_7C, 1u << 14, "avx512vpopcntdq"}, {REG_7D, 1u << 24, "amx-tile"},
};

static uint32_t reg_of(const struct rec_cpu *c, enum reg reg)
{
	const uint32_t value[] = {
		[REG_1C] = c->leaf1_ecx, [REG_1D] = c->leaf1_edx, [REG_7B] = c->leaf7_ebx,
		[REG_7C] = c->leaf7_ecx, [REG_7D] = c->leaf7_edx,
	};

	return value[reg];
}

const char *cpu_missing(const struct rec_cpu *need, const struct rec_cpu *have)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		if (reg_of(need, features[i].reg) & ~reg_of(have, features[i].reg) & features[i].bit)
			return features[i].name;
	if (need->xcr0 & ~have->xcr0)
		return "an extended register state (XCR0)";
	if (need->xsave_size != have->xsave_size)
		return "the same size of extended register state";
	return NULL;
}

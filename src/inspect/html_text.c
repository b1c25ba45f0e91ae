#include "html.h"

static const char mark[] = "\xef\xbf\xbd"; /* U+FFFD */

/* How many bytes a character of UTF-8 has that begins at s, 0: none does. Decoded to *c. */
static int utf8_next(const char *s, uint32_t *c)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = s[0];
	int n = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;

	*c = n == 1 ? first : first & (0x7f >> n);
	for (int i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (s[i] & 0x3f);
	}
	return n && *c >= least[n] && *c <= 0x10ffff && (*c < 0xd800 || *c > 0xdfff) ? n : 0;
}

/* Characters that change how others are shown: controls, and those that turn the direction of a line. */
static bool steers(uint32_t c)
{
	return c < ' ' || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static void put_char(FILE *f, const char *s, int n, uint32_t c)
{
	switch (c) {
	case '&':
		fputs("&amp;", f);
		break;
	case '<':
		fputs("&lt;", f);
		break;
	case '>':
		fputs("&gt;", f);
		break;
	case '"':
		fputs("&quot;", f);
		break;
	case '\'':
		fputs("&#39;", f);
		break;
	default:
		fwrite(s, 1, n, f);
	}
}

void html_text(FILE *f, const char *s)
{
	while (*s) {
		uint32_t c;
		int n = utf8_next(s, &c);

		if (n && !steers(c))
			put_char(f, s, n, c);
		else
			fputs(mark, f);
		s += n ? n : 1;
	}
}

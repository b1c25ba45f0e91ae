# Closures, hashes, regular expressions, sort, formats and an open file; a line a round.
use strict;
use warnings;
use Time::HiRes 'sleep';

$| = 1;
my %count;
my $x = 1;
my @closures = map { my $n = $_; my $total = 0; sub { $total += $_[0] * $n } } 1 .. 7;
open(my $out, '+>', 'words.txt') or die;
for my $round (1 .. 350) {
	my $text = '';
	for (1 .. 300) {
		$x = ($x * 1103515245 + 12345) % 2147483648;
		$text .= chr(97 + ($x >> 16) % 5) . ($x % 7 == 0 ? ' ' : '');
	}
	$count{$1}++ while $text =~ /(\w{3})\b/g;
	my @top = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 2];
	print $out "$round $text\n";
	printf "round %d: %s %d %d\n", $round, join(',', map { "$_=" . ($count{$_} // 0) } grep { defined } @top),
		$closures[$round % 7]->($round), tell($out);
	sleep 0.004;
}
seek($out, 0, 0);
my $lines = 0;
$lines += length while <$out>;
print "file $lines\n";
unlink 'words.txt';

# A linear congruential generator into a hash; sprintf, sort and regular expressions.
use strict;
$| = 1;
my ($x, %count) = (12345);
for my $i (1 .. 1_200_000) {
  $x = ($x * 1103515245 + 12345) % 2147483648;
  $count{sprintf "%04x", $x >> 16 & 0xfff}++;
  if ($i % 100_000 == 0) {
    my @top = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 4];
    my $text = join " ", map { "$_=$count{$_}" } @top;
    $text =~ s/(\w+)=(\d+)/$2:$1/g;
    print "$i $x $text\n";
  }
}

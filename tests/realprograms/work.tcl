# Lists, arrays, big integers and string work.
set x 12345
for {set i 1} {$i <= 600000} {incr i} {
  set x [expr {($x * 1103515245 + 12345) % 2147483648}]
  incr count([expr {$x >> 20}])
  if {$i % 50000 == 0} {
    set names [lsort -integer [array names count]]
    puts "$i $x [llength $names] [expr {$x ** 20 % 1000000007}] [string length [join $names]]"
    flush stdout
  }
}

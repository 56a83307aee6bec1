# A linear congruential generator into a Hash, a thread that counts with it.
require "digest"
$stdout.sync = true
x = 12345
count = Hash.new(0)
queue = Queue.new
total = 0
consumer = Thread.new { while (n = queue.pop) do total = (total * 31 + n) % 1_000_000_007 end }
1.upto(1_200_000) do |i|
  x = (x * 1103515245 + 12345) % 2147483648
  count["k%03x" % (x >> 20)] += 1
  queue << x if i % 1000 == 0
  puts "#{i} #{Digest::SHA256.hexdigest(count.sort.join(','))}" if i % 60_000 == 0
end
queue << nil
consumer.join
puts total

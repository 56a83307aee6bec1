import java.security.MessageDigest;
import java.util.*;
import java.util.concurrent.*;

/** Forty tasks in four threads that leave much garbage; a digest of what they find. */
public class Work {
  static long task(int seed) {
    Random random = new Random(seed);
    Map<String, Long> count = new HashMap<>();
    long sum = 0;
    for (int i = 0; i < 150_000; i++) {
      String key = "k" + random.nextInt(5000);
      sum = sum * 31 + count.merge(key, 1L, Long::sum);
    }
    return sum;
  }

  public static void main(String[] args) throws Exception {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    ExecutorService pool = Executors.newFixedThreadPool(4);
    List<Future<Long>> results = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      int seed = i;
      results.add(pool.submit(() -> task(seed)));
    }
    for (Future<Long> result : results) {
      digest.update(Long.toString(result.get()).getBytes());
      System.out.println(Base64.getEncoder().encodeToString(((MessageDigest) digest.clone()).digest()));
      System.out.flush();
    }
    pool.shutdown();
  }
}

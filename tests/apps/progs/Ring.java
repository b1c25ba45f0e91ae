import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Threads that hand numbers to each other, garbage to collect, code to compile; a line a round. */
public class Ring {
	static final int THREADS = 12, ROUNDS = 150;

	static long mix(long x, int n) {
		for (int i = 0; i < n; i++)
			x = x * 6364136223846793005L + 1442695040888963407L;
		return x;
	}

	public static void main(String[] args) throws Exception {
		List<BlockingQueue<Long>> queues = new ArrayList<>();
		for (int i = 0; i < THREADS; i++)
			queues.add(new ArrayBlockingQueue<>(2));
		for (int i = 0; i < THREADS; i++) {
			final int me = i;
			Thread t = new Thread(() -> {
				try {
					Map<Long, String> seen = new HashMap<>();
					for (;;) {
						long x = mix(queues.get(me).take(), 2000 + me);
						seen.put(x % 1000, "seen " + x);
						queues.get((me + 1) % THREADS).put(x + seen.size());
					}
				} catch (InterruptedException e) {
					return;
				}
			});
			t.setDaemon(true);
			if (i > 0)
				t.start();
		}
		ExecutorService pool = Executors.newFixedThreadPool(3);
		Map<String, Long> all = new TreeMap<>();
		long x = 1;
		for (int round = 0; round < ROUNDS; round++) {
			queues.get(1).put(x);
			x = queues.get(0).take();
			final long y = x;
			Future<Long> f = pool.submit(() -> mix(y, 20000));
			byte[][] garbage = new byte[20][];
			for (int i = 0; i < garbage.length; i++)
				garbage[i] = new byte[100000 + i];
			all.put("key " + x % 100, f.get());
			System.out.println("round " + round + ": " + x + " " + all.size() + " " + garbage.length);
			Thread.sleep(5);
		}
		pool.shutdown();
		System.out.println(all.hashCode());
	}
}

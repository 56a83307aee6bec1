package seekable

import "sync"

// cacheFrames is how many frames are kept, 4 MB.
const cacheFrames = 16

// cache keeps the content of frames that were used lately.
type cache struct {
	mu     sync.Mutex
	clock  uint64
	frames map[int]*cached
}

type cached struct {
	used uint64 // on the cache's clock
	once sync.Once
	data []byte
	err  error
}

// get gives frame i, which has n bytes, by read if it is not there. Several
// callers may ask for it at once: one of them reads it.
func (c *cache) get(i, n int, read func(i int, p []byte) error) ([]byte, error) {
	c.mu.Lock()
	f := c.frames[i]
	if f == nil {
		if c.frames == nil {
			c.frames = map[int]*cached{}
		}
		if len(c.frames) >= cacheFrames {
			c.forget()
		}
		f = &cached{}
		c.frames[i] = f
	}
	c.clock++
	f.used = c.clock
	c.mu.Unlock()
	f.once.Do(func() {
		f.data = make([]byte, n)
		f.err = read(i, f.data)
	})
	return f.data, f.err
}

// forget forgets the frame that was not used for longest.
func (c *cache) forget() {
	oldest := -1
	for i, f := range c.frames {
		if oldest < 0 || f.used < c.frames[oldest].used {
			oldest = i
		}
	}
	delete(c.frames, oldest)
}

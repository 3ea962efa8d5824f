"""What a page costs the browser while it runs: frames, main-thread time, longest task, growth of the heap.

Main-thread time is Chromium's own account of the renderer (`TaskDuration`: script, style, layout, paint); a page drawn
by the other threads of the compositor is not in it. The heap is read after a forced collection at both ends.
"""

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import CDPSession, Page

WATCH = """() => {
  window.watched = { frames: 0, longest: 0 };
  const count = () => { window.watched.frames += 1; requestAnimationFrame(count); };
  requestAnimationFrame(count);
  const note = (list) => list.getEntries().forEach((task) => {
    window.watched.longest = Math.max(window.watched.longest, task.duration);
  });
  window.watched.observer = new PerformanceObserver(note);
  window.watched.observer.observe({ type: "longtask" });
}"""


@dataclass(frozen=True)
class Rendering:
    """`busy_s` is main-thread seconds in each second; `longest_ms` is 0 if no task took 50 ms."""

    frames_per_s: float
    busy_s: float
    longest_ms: float
    heap_growth_mb: float
    heap_mb: float

    def __str__(self) -> str:
        return (
            f"{self.frames_per_s:.1f} frames/s, main thread {self.busy_s:.3f} s a second, longest task "
            f"{self.longest_ms:.0f} ms, heap {self.heap_mb:.1f} MB ({self.heap_growth_mb:+.1f})"
        )


def measure(page: Page, seconds: float) -> Rendering:
    """Watch a page that is already at its work for so long."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    before_mb = _heap_mb(session)
    page.evaluate(WATCH)
    before = _metrics(session)
    page.wait_for_timeout(seconds * 1000)
    watched = page.evaluate("() => ({ frames: window.watched.frames, longest: window.watched.longest })")
    after = _metrics(session)
    took_s = after["Timestamp"] - before["Timestamp"]
    after_mb = _heap_mb(session)
    session.detach()
    return Rendering(
        frames_per_s=watched["frames"] / took_s,
        busy_s=(after["TaskDuration"] - before["TaskDuration"]) / took_s,
        longest_ms=watched["longest"],
        heap_growth_mb=after_mb - before_mb,
        heap_mb=after_mb,
    )


def _metrics(session: CDPSession) -> dict[str, float]:
    found: list[dict[str, Any]] = session.send("Performance.getMetrics")["metrics"]
    return {metric["name"]: metric["value"] for metric in found}


def _heap_mb(session: CDPSession) -> float:
    session.send("HeapProfiler.collectGarbage")
    return _metrics(session)["JSHeapUsedSize"] / 1e6

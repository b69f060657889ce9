"""One clock for all sources: how far each one's is from the reference, and how sure that is."""

from wsdiag.clocks.align import align, moved, telling
from wsdiag.clocks.contradictions import contradictions
from wsdiag.clocks.fit import Clock

__all__ = ["Clock", "align", "contradictions", "moved", "telling"]

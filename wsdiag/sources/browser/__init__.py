"""What browsers record of their own traffic: the items of HAR, NetLog and DevTools files."""

"""A capture's connections, told as rows: by batches of many connections, and one by one."""

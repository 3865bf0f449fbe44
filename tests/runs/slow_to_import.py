"""As torch on a cold disk."""

import time

time.sleep(3)

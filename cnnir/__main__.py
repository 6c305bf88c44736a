"""``python -m cnnir``."""

from cnnir.cli import main

if __name__ == "__main__":
    raise SystemExit(main())

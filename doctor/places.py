"""Where videos go, as the doctor tries it; `bucket.py` and `folder.py` do it."""

from prefect_octopusx.doctor.findings import Finding, skipped

__all__ = ["Place"]


class Place:
    """A destination. What one kind of it does not have is skipped. All methods block, and remove what they wrote."""

    kind = "destination"
    address: str
    """As it begins in the messages of errors."""
    own: str
    """Where in it the doctor writes."""

    def write(self) -> Finding:
        """Write, read and remove a file."""
        return self._has_none()

    def conditions(self) -> Finding:
        """Write on conditions that hold and that don't: claims rest on them."""
        return self._has_none()

    def multipart(self) -> Finding:
        """Begin an upload in parts and abort it."""
        return self._has_none()

    def checksums(self) -> Finding:
        """Send something with a wrong checksum."""
        return self._has_none()

    def listing(self) -> Finding:
        """Find by listing what was written."""
        return self._has_none()

    def clock_skew(self) -> Finding:
        """Compare this machine's clock with the place's."""
        return self._has_none()

    def space(self) -> Finding:
        """Look at the room that is left."""
        return self._has_none()

    def lasts(self) -> Finding:
        """Tell whether the next process, and the next machine, would find it again."""
        return self._has_none()

    def _has_none(self) -> Finding:
        return skipped(f"the destination is a {self.kind}")

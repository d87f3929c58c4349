"""Lists of videos: manifests, what of them is due when, and what became of them. No Prefect in here."""

__all__: list[str] = []

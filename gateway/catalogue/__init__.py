"""Movies and shows: cached reads for everybody, changes for staff; a show's terms change through its seat worker."""

"""Movies and shows: read by everybody, from memory; written by staff, a show's terms through its writer."""

"""Records by their kind."""


def only(records, kind):
    (found,) = [record for record in records if isinstance(record, kind)]
    return found

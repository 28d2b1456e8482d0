; Make a meal: clean, chop and fry, each in its time, and leave the kitchen as it should be.
(define (domain kitchen)
  (:requirements :strips :typing :negative-preconditions)
  (:types food holder - object
          root fruit - food
          cold-box dish pan - holder)
  (:constants fridge - cold-box bowl - dish pan - pan)
  (:predicates
    (open ?box - cold-box)
    (closed ?box - cold-box)
    (shows ?holder - holder)  ; what is in it can be seen
    (in ?food - food ?holder - holder)
    (holding ?food - food)
    (hands-empty)
    (used ?pan - pan)
    (dirty ?food - food)
    (chopped ?food - food)
    (fried ?food - food)
    (ruined ?food - food))

  (:action open-up
    :parameters (?box - cold-box)
    :precondition (closed ?box)
    :effect (and (not (closed ?box)) (open ?box) (shows ?box)))

  (:action shut
    :parameters (?box - cold-box)
    :precondition (open ?box)
    :effect (and (not (open ?box)) (not (shows ?box)) (closed ?box)))

  (:action take-from-box
    :parameters (?food - food ?box - cold-box)
    :precondition (and (open ?box) (hands-empty) (in ?food ?box))
    :effect (and (not (in ?food ?box)) (not (hands-empty)) (holding ?food)))

  (:action take-from-dish
    :parameters (?food - food ?dish - dish)
    :precondition (and (hands-empty) (in ?food ?dish))
    :effect (and (not (in ?food ?dish)) (not (hands-empty)) (holding ?food)))

  (:action take-from-pan
    :parameters (?food - food ?pan - pan)
    :precondition (and (hands-empty) (in ?food ?pan))
    :effect (and (not (in ?food ?pan)) (not (used ?pan)) (not (hands-empty)) (holding ?food)))

  (:action put-into-box
    :parameters (?food - food ?box - cold-box)
    :precondition (and (holding ?food) (open ?box))
    :effect (and (not (holding ?food)) (hands-empty) (in ?food ?box)))

  (:action put-into-dish
    :parameters (?food - food ?dish - dish)
    :precondition (holding ?food)
    :effect (and (not (holding ?food)) (hands-empty) (in ?food ?dish)))

  (:action put-into-pan
    :parameters (?food - food ?pan - pan)
    :precondition (and (holding ?food) (not (used ?pan)))
    :effect (and (not (holding ?food)) (hands-empty) (used ?pan) (in ?food ?pan)))

  (:action clean
    :parameters (?food - root)
    :precondition (and (holding ?food) (dirty ?food))
    :effect (not (dirty ?food)))

  (:action chop
    :parameters (?food - food)
    :precondition (and (holding ?food) (not (dirty ?food)) (not (chopped ?food)) (not (fried ?food)) (not (ruined ?food)))
    :effect (chopped ?food))

  (:action fry
    :parameters (?food - root ?pan - pan)
    :precondition (and (in ?food ?pan) (not (dirty ?food)) (not (ruined ?food)) (not (fried ?food)))
    :effect (fried ?food))

  (:action fry-too-long
    :parameters (?food - root ?pan - pan)
    :precondition (and (in ?food ?pan) (fried ?food))
    :effect (and (not (fried ?food)) (ruined ?food))))

; Carry things through a house, one at a time or several in a basket.
(define (domain delivery)
  (:requirements :strips :typing)
  (:types place item - object
          thing carrier - item)
  (:constants basket - carrier)
  (:predicates
    (you-at ?place - place)
    (way ?from ?to - place)
    (at ?item - item ?place - place)
    (in ?thing - thing ?carrier - carrier)
    (carrying ?item - item)
    (hands-empty))

  (:action go
    :parameters (?from ?to - place)
    :precondition (and (you-at ?from) (way ?from ?to))
    :effect (and (not (you-at ?from)) (you-at ?to)))

  (:action take
    :parameters (?item - item ?place - place)
    :precondition (and (you-at ?place) (at ?item ?place) (hands-empty))
    :effect (and (not (at ?item ?place)) (not (hands-empty)) (carrying ?item)))

  (:action take-out
    :parameters (?thing - thing ?carrier - carrier ?place - place)
    :precondition (and (you-at ?place) (at ?carrier ?place) (in ?thing ?carrier) (hands-empty))
    :effect (and (not (in ?thing ?carrier)) (not (hands-empty)) (carrying ?thing)))

  (:action put-in
    :parameters (?thing - thing ?carrier - carrier ?place - place)
    :precondition (and (carrying ?thing) (you-at ?place) (at ?carrier ?place))
    :effect (and (not (carrying ?thing)) (hands-empty) (in ?thing ?carrier)))

  (:action drop
    :parameters (?item - item ?place - place)
    :precondition (and (you-at ?place) (carrying ?item))
    :effect (and (not (carrying ?item)) (hands-empty) (at ?item ?place))))

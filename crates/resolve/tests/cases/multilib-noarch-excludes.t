# noarch does not go together with another of its name.
repo system 0 testtags <inline>
#>=Pkg: x 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: x 2 1 i686
system x86_64 rpm system
poolflags implicitobsoleteusescolors
job install pkg x-2-1.i686@available
result transaction,problems <inline>
#>problem info cannot install both x-2-1.i686 and x-1-1.noarch from the base
